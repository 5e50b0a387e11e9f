"""The plan: all that a run does, as plain data with a digest; composed by Hydra, or read from a ``plan.yaml``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from fedgraft.common.errors import PlanError
from fedgraft.common.plain_yaml import DUMPER, plain_yaml
from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.plan.checks.checks import contradictions
from fedgraft.common.plan.data_sections import DataSection, DicomSection, InputSection, NoteCopies, TableSection
from fedgraft.common.plan.evidence_sections import AuditSection, CalibrationSection, DecideSection
from fedgraft.common.plan.feature_sections import FeaturesSection
from fedgraft.common.plan.graft_sections import (
    AdaptSection,
    AlignmentSection,
    HarmoniseSection,
    InitialSection,
    PersonalSection,
    SamplingSection,
)
from fedgraft.common.plan.patience_section import RENAMED, PatienceSection, renamed
from fedgraft.common.plan.protection.aggregation_section import AggregationSection
from fedgraft.common.plan.protection.privacy_section import PrivacySection, without_later
from fedgraft.common.plan.sections import (
    AdaptationSection,
    AugmentSection,
    BackboneSection,
    ClockSection,
    CompressionSection,
    EngineSection,
    HeadSection,
    LossSection,
    PartitionSection,
    ReleaseSection,
    StrategySection,
    TrainSection,
)
from fedgraft.common.plan.tracking_section import TrackingSection
from fedgraft.common.plan.types import OF_A_SIMULATION


@dataclass(frozen=True)
class Plan:
    """A plan. The result of a run depends only on its plan and its data.

    ``hold_out``: names of sites that never train, and only evaluate the final model. ``select``: the final model is
    that of the ``last`` round, of the ``best`` by the sites' validation cases, or the best at sites that it left out.
    ``start_from``: digest (SHA-256, hex) of the graft of a finished run, from which this one begins. ``contributions``:
    sites evaluate the last model once more without each site's last update. ``site_distances``: how far they lie apart.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    rounds: Annotated[int, Field(ge=0)]
    data: DataSection
    dicom: DicomSection
    augment: AugmentSection
    backbone: BackboneSection
    adaptation: AdaptationSection
    head: HeadSection
    loss: LossSection
    train: TrainSection
    strategy: StrategySection
    compression: CompressionSection
    release: ReleaseSection
    engine: EngineSection
    clock: ClockSection | None = None
    table: TableSection | None = None
    partition: PartitionSection = field(default_factory=PartitionSection)
    input: InputSection = field(default_factory=InputSection)
    features: FeaturesSection = field(default_factory=FeaturesSection)
    initial: InitialSection = field(default_factory=InitialSection)
    alignment: AlignmentSection = field(default_factory=AlignmentSection)
    personal: PersonalSection = field(default_factory=PersonalSection)
    adapt: AdaptSection = field(default_factory=AdaptSection)
    sampling: SamplingSection = field(default_factory=SamplingSection)
    harmonise: HarmoniseSection = field(default_factory=HarmoniseSection)
    calibration: CalibrationSection = field(default_factory=CalibrationSection)
    decide: DecideSection = field(default_factory=DecideSection)
    audit: AuditSection = field(default_factory=AuditSection)
    tracking: TrackingSection = field(default_factory=TrackingSection)
    patience: PatienceSection = field(default_factory=PatienceSection)
    bounds: BoundsSection = field(default_factory=BoundsSection)
    aggregation: AggregationSection = field(default_factory=AggregationSection)
    privacy: PrivacySection = field(default_factory=PrivacySection)
    hold_out: tuple[str, ...] = ()
    select: Literal["last", "best", "unseen"] = "last"
    start_from: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    contributions: bool = False
    site_distances: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data, as in YAML; `from_dict` reads it back to an equal plan."""
        plain = {name: _unfold(value) for name, value in json.loads(json.dumps(asdict(self))).items()}
        if self.data.target is None:
            del plain["data"]["_target_"]
        unset = [name for name in ("start_from", "contributions", "site_distances") if not getattr(self, name)]
        unset += ["partition"] if self.partition.target is None else []
        for name in unset:
            del plain[name]  # so that older versions read such a plan
        plain["engine"] = {k: v for k, v in plain["engine"].items() if (k, v) not in _LATER_ENGINE}
        if self.augment.notes == NoteCopies():
            del plain["augment"]["notes"]
        return plain

    plain = cached_property(to_dict)
    """`to_dict`, made once: nobody may change it."""

    def to_yaml(self) -> str:
        """`to_dict` as YAML; if it names a simulation's data set, with a comment on the plan for hospitals."""
        text = str(yaml.dump(self.to_dict(), Dumper=DUMPER, sort_keys=False, allow_unicode=True))
        hospitals = self.for_hospitals().digest
        return text if hospitals == self.digest else OF_A_SIMULATION.format(digest=hospitals) + text

    def for_sites(self) -> Plan:
        """The plan in messages to sites: without ``tracking`` and address, which name places here. Same digest."""
        return replace(self, tracking=TrackingSection(), engine=replace(self.engine, address=None))

    def for_hospitals(self) -> Plan:
        """`for_sites`, also without what only a simulation uses: the data set, its options and its partition."""
        data = replace(self.data, target=None, options={})
        return replace(self.for_sites(), data=data, partition=PartitionSection())

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return json.dumps(self.plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON without ``engine``, ``tracking`` and ``patience``; of ``clock`` only
        availabilities below 1 count, and of later sections those that are not the default (`_LATER`)."""
        plain = {name: value for name, value in self.plain.items() if name not in _NOT_IN_DIGEST}
        plain = {name: plain[name] for name in plain if name not in _LATER or getattr(self, name) != _LATER[name]}
        plain |= {"privacy": without_later(plain["privacy"])} if "privacy" in plain else {}
        if self.clock is not None and self.clock.availabilities():
            plain["availability"] = self.clock.availabilities()
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


_LATER_ENGINE = (("runtime", "auto"), ("address", None))  # later options with their defaults, which are left out
_NOT_IN_DIGEST = ("engine", "clock", "tracking", "patience")
_LATER = {  # not in the digest where they are the default, so that older plans keep theirs
    "calibration": CalibrationSection(),
    "decide": DecideSection(),
    "audit": AuditSection(),
    "bounds": BoundsSection(),
    "aggregation": AggregationSection(),
    "privacy": PrivacySection(),
}


OPTIONAL = frozenset(
    each.name for each in fields(Plan) if each.default is not MISSING or each.default_factory is not MISSING
)
"""The sections that a plan may leave out."""


@dataclass(frozen=True)
class PlanReading:
    """The result of reading a plan: its valid sections, and a sentence for every problem."""

    sections: dict[str, Any]
    problems: tuple[str, ...]


def read(raw: Mapping[str, Any]) -> PlanReading:
    """Read plain data section by section, so that one mistake does not hide another."""
    expected = _expected()
    sections: dict[str, Any] = {}
    problems = [f"{name} is not an option" for name in raw if name not in expected]
    if old := renamed(raw.get("strategy")):
        raw = {**raw, "strategy": {name: value for name, value in raw["strategy"].items() if name not in RENAMED}}
        problems += old
    for name, (kind, reader) in expected.items():
        if name not in raw:
            problems += [] if name in OPTIONAL else [f"{name} is missing"]
            continue
        try:
            sections[name] = reader.validate_python(_fold(kind, raw[name]))
        except ValidationError as error:
            problems += [_sentence(name, item) for item in error.errors()]
    problems += _without_target(sections)
    for name, section in sections.items():
        problems += [f"{path} is not a finite number" for path in _not_finite(getattr(section, "options", {}), name)]
    return PlanReading(sections, tuple(problems + contradictions(sections)))


@cache
def _expected() -> dict[str, tuple[Any, TypeAdapter[Any]]]:
    """By section, its type and what reads it; made once, since that takes far longer than to read a plan."""
    hints = get_type_hints(Plan, include_extras=True)
    return {name: (kind, TypeAdapter(kind)) for name, kind in hints.items()}


def _without_target(sections: Mapping[str, Any]) -> list[str]:
    """Problems of a data set's options, or of a partition, without a ``_target_``; a plan for hospitals has neither."""
    data, partition = sections.get("data"), sections.get("partition")
    problems = ["data._target_ is missing"] * (data is not None and data.target is None and bool(data.options))
    return problems + ["partition._target_ is missing"] * (partition is not None and partition.target is None)


def from_dict(raw: Mapping[str, Any]) -> Plan:
    """Make a plan from plain data, as composed by Hydra or read from YAML or JSON.

    Raises:
        PlanError: lists every missing, unknown, ill-typed or contradictory option.
    """
    reading = read(raw)
    if reading.problems:
        raise PlanError(reading.problems)
    return Plan(**reading.sections)


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
    """Read a plan from a ``.yaml`` or ``.json`` file.

    Raises:
        PlanError: the file is missing, is not text, YAML or JSON, has numbers with commas, or is not a valid plan.
    """
    if not path.is_file():
        raise PlanError(f"plan file {path} does not exist; a simulation writes one as plan.yaml in its run folder")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return from_json(text)
    except UnicodeDecodeError as error:
        raise PlanError(f"plan file {path} is not UTF-8 text") from error
    raw = plain_yaml(text, path)
    if not isinstance(raw, dict):
        raise PlanError(f"plan file {path} must be a mapping of sections")
    return from_dict(raw)


def _fold(section: Any, value: Any) -> Any:
    """``{_target_: t, known: 1, other: 2}`` -> ``{target: t, known: 1, options: {other: 2}}``, if the section has a
    field ``options``."""
    names = {f.name for f in fields(section)} if is_dataclass(section) else set()
    if "options" not in names or not isinstance(value, Mapping):
        return value
    known = names - {"options", "target"}
    folded = {name: item for name, item in value.items() if name in known}
    folded["options"] = {n: item for n, item in value.items() if n not in known and n != "_target_"}
    if "_target_" in value:
        folded["target" if "target" in names else "_target_"] = value["_target_"]
    return folded


def _unfold(value: Any) -> Any:
    if not isinstance(value, dict) or "options" not in value:
        return value
    target = {"_target_": value["target"]} if "target" in value else {}
    rest = {name: item for name, item in value.items() if name not in ("target", "options")}
    return {**target, **rest, **value["options"]}


def _not_finite(value: Any, path: str) -> Iterator[str]:
    """Paths of infinite numbers and NaN, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _not_finite(item, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _not_finite(item, path)


def _sentence(section: str, error: Mapping[str, Any]) -> str:
    where = ".".join((section, *(str(part) for part in error["loc"]))).replace(".target", "._target_")
    if error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{where} is not an option"
    if error["type"] in ("missing", "missing_argument"):
        return f"{where} is missing"
    return f"{where}={error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"

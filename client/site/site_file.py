"""The hospital's own file, ``site.yaml``: where the data is, which machine to use, and what may leave.

It overrides the plan: what it does not allow does not leave, whatever the plan says.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from fedgraft.client.site.bounds import Bounds
from fedgraft.client.site.limits import Limits, NoteTools, Rules
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.client.site.secure_rules import SecureRules
from fedgraft.common.errors import SiteFileError
from fedgraft.common.plain_yaml import DUMPER, LOADER
from fedgraft.common.plan.types import OURS, SITE_NAME, RuntimeChoice

_STRICT = ConfigDict(extra="forbid")
_NAME = "letters (a to z), digits, - and _ only, at most 64, a letter or digit first"


@dataclass(frozen=True)
class ReleasePolicy:
    """What may leave this site besides the shared tensors and the number of training cases.

    Attributes:
        train_loss: the mean training loss.
        evaluation: counts over one split (docs/tasks.md), of at least ``min_count`` cases.
        class_counts: training cases by class, if every count is 0 or at least ``min_count`` (for findings: those counts
            that are).
        quarantine: how many cases can't be used, by reason.
        statistics: means, deviations and categories of a table's columns, moments of features for an alignment, and
            means over images for harmonising; each of at least ``min_count`` patients among the training cases.
        columns: of the manifest, by whose values figures on test cases may be told (``audit``), if every subgroup has
            ``min_count`` cases.
        min_count: 1 or more.
        scores: how finely evaluations tell scores and distances: by groups of ``min_count`` neighbours (``merged``), or
            ``fine``, which tells almost each case's own.
        min_patients: training patients on which an update, a gradient and each of their parts must rest
            (`fedgraft.client.fence`); by default ``min_count``.
        small_counts: whether quarantine counts, values missing from a table's column, and what its categories leave
            over, are ``withheld`` where they are below ``min_count``, or ``told``.
    """

    __pydantic_config__ = _STRICT
    train_loss: bool = True
    evaluation: bool = True
    class_counts: bool = True
    quarantine: bool = True
    statistics: bool = True
    columns: tuple[str, ...] = ()
    min_count: Annotated[int, Field(ge=1)] = 5
    scores: Literal["merged", "fine"] = "merged"
    min_patients: Annotated[int, Field(ge=1)] | None = None
    small_counts: Literal["withheld", "told"] = "withheld"

    @property
    def least_told(self) -> int:
        """The smallest of the `small_counts` that is told, besides 0."""
        return self.min_count if self.small_counts == "withheld" else 1

    @property
    def patients(self) -> int:
        """On how many training patients what is learnt here must rest."""
        return self.min_count if self.min_patients is None else self.min_patients


@dataclass(frozen=True)
class Announcement:
    """What the coordinator is told of this site while it is connected (`fedgraft.common.wire.site_facts`), besides the
    installed version, the kind of its cases and the packages in ``allow``.

    Attributes:
        columns: the names of the manifest's and the table's columns; never a cell.
        cases: the number of the manifest's lines to two figures, if there are ``release.min_count``; never with a
            budget (``privacy``), since it has no noise.
        room: the bytes that its store could hold, to one figure, unless it keeps in memory.
        classes: the labels in the manifest that ``release.min_count`` lines have, and how many, to two figures.
    """

    __pydantic_config__ = _STRICT
    columns: bool = True
    cases: bool = True
    room: bool = True
    classes: bool = False


@dataclass(frozen=True)
class Fractions:
    """The shares of the patients that validate and test here, unless the manifest names a ``split``; a plan can't
    change them. Who is in which part follows from the site's own secret, and stays."""

    __pydantic_config__ = _STRICT
    val_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    test_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2

    def __str__(self) -> str:
        return f"val_fraction {self.val_fraction:g}, test_fraction {self.test_fraction:g}"


@dataclass(frozen=True)
class NamedProxy:
    """The hospital's own proxy on the way to the coordinator, in the place of one that the environment names.

    Attributes:
        address: ``host:port``, of an http:// proxy that lets CONNECT through.
        user: if it asks for one.
        password: a file that holds the password, readable by this account only.
    """

    __pydantic_config__ = _STRICT
    address: Annotated[str, Field(pattern=r"^(http://)?[^\s/@:]+:\d{1,5}$")]
    user: str | None = None
    password: Path | None = None


@dataclass(frozen=True)
class Coordinator:
    """How to reach the coordinator: ``host:port``, its CA certificate, this site's private key (absolute paths), and a
    proxy on the way."""

    __pydantic_config__ = _STRICT
    address: str
    ca: Path
    key: Path
    proxy: NamedProxy | None = None


@dataclass(frozen=True)
class SiteFile:
    """One site. Relative paths in the YAML are relative to the file itself.

    Attributes:
        name: how the coordinator knows this site (letters, digits, ``-`` and ``_``).
        manifest: the cohort (`fedgraft.client.cohort.manifest.manifest`).
        state: folder for what is private to this site: local tensors, the release log, received plans.
        store: folder for what sites on one machine can share: backbones and kept features; by default in ``state``.
        device: a torch device, for instance ``cpu`` or ``cuda:0``; ``auto`` takes a GPU if there is one.
        threads: torch's intra-op threads; by default one per core.
        release: what may leave.
        split: how many validate and test.
        missing: texts of a table that a plan may count as missing here, besides the usual ones
            (`fedgraft.client.tables.missing`).
        terms: this hospital's own words (of a label's cell, or a column of a finding), and what the plan calls each.
        unmarked: findings of a plan that nobody marks here.
        allow: packages, besides ``fedgraft``, from which a plan's parts may be built here.
        approval: which plans a deployed site carries out: those that a person approved (``ask``), those of ``approved``
            only (``listed``), or ``all``.
        approved: digests of plans, for ``listed``.
        role: ``train``; or only ``evaluate`` the final model, as a site that a plan holds out; or only ``predict`` with
            models that were published, and take part in no run.
        announce: what the coordinator is told of this site before and between runs.
        coordinator: needed by ``fedgraft site start`` only.
        keep: whether what is computed once per case is kept on ``disk``, or in ``memory`` for as long as the process
            lives (a deployed site starts a process for each message, which would then compute it again).
        warm: whether ``site start`` imports torch at once and keeps it, for 400 MB: a run's first answer comes some
            seconds sooner.
        workers: processes that decode files; by default one per core; 0 decodes in the main process, where a crash of a
            decoder ends the run.
        batch: cases per batch through the constant part; by default chosen by the size of an image.
        runtime: what computes the constant part: by default the fastest of what is installed that gives equal features.
        limits: the most that one file may have or take.
        bounds: the most that a plan may ask.
        secure: what it asks of secure sums (``aggregation.secure``).
        privacy: the most that may be told of a patient in all runs; by default without limit, and without noise.
        refuse_burned_in: whether images whose header says that an annotation is burned in are quarantined.
        notes: with what copies of notes are made.
    """

    __pydantic_config__ = _STRICT
    name: Annotated[str, Field(pattern=f"^{SITE_NAME.pattern}$")]
    manifest: Path
    state: Path
    store: Path | None = None
    device: str = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    release: ReleasePolicy = ReleasePolicy()
    split: Fractions = Fractions()
    missing: tuple[str, ...] = ()
    terms: dict[str, str] = field(default_factory=dict)
    unmarked: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    approval: Literal["ask", "listed", "all"] = "ask"
    approved: tuple[Annotated[str, Field(pattern="^[0-9a-f]{64}$")], ...] = ()
    role: Literal["train", "evaluate", "predict"] = "train"
    announce: Announcement = Announcement()
    coordinator: Coordinator | None = None
    keep: Literal["disk", "memory"] = "disk"
    warm: bool = False
    workers: Annotated[int, Field(ge=0)] | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    runtime: RuntimeChoice = "auto"
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)
    secure: SecureRules = field(default_factory=SecureRules)
    privacy: PrivacyBudget | None = None
    refuse_burned_in: bool = True
    notes: NoteTools = field(default_factory=NoteTools)

    @property
    def trusted(self) -> tuple[str, ...]:
        """Packages from which a plan's parts may be built here, whatever the plan says."""
        return (*OURS, *self.allow)

    @property
    def rules(self) -> Rules:
        return Rules(self.limits, self.refuse_burned_in, self.missing, self.notes)

    @property
    def shared_store(self) -> Path:
        return self.store if self.store is not None else self.state / "store"


def read_site_file(path: Path) -> SiteFile:
    """Read and check ``site.yaml``; all problems are reported at once.

    Raises:
        SiteFileError: the file is missing, is not YAML, or has wrong, unknown or missing keys.
    """
    if not path.is_file():
        raise SiteFileError(f"site file {path} does not exist; `fedgraft site init` writes a first one")
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except UnicodeDecodeError:
        raise SiteFileError(f"site file {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise SiteFileError(f"site file {path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise SiteFileError(f"site file {path} must be a mapping of keys to values")
    try:
        site = schema().validate_python(raw)
    except ValidationError as error:
        said = ((e["loc"], _NAME if e["loc"] == ("name",) else e["msg"]) for e in error.errors())
        lines = [f"  - {'.'.join(map(str, place))}: {text}" for place, text in said]
        raise SiteFileError(f"site file {path} has {len(lines)} problem(s):\n" + "\n".join(lines)) from error
    if site.split.val_fraction + site.split.test_fraction >= 1:
        raise SiteFileError(f"site file {path}: split.val_fraction and split.test_fraction leave nobody to train on")
    if (site.approval == "listed") != bool(site.approved):
        raise SiteFileError(
            f"site file {path}: `approval: listed` and `approved`, the list of plans' digests, belong together"
        )
    if site.privacy is not None and site.announce.classes:
        raise SiteFileError(
            f"site file {path}: `announce.classes` tells labels without noise, and there is a `privacy` budget; set it "
            "to false"
        )
    return _absolute(site, path.resolve().parent)


@lru_cache(maxsize=1)
def schema() -> TypeAdapter[SiteFile]:
    """What checks the content of a site file; made once a process."""
    return TypeAdapter(SiteFile)


def write_site_file(path: Path, site: SiteFile) -> None:
    """Write a site file that `read_site_file` reads back to an equal one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(_plain(asdict(site)), Dumper=DUMPER, sort_keys=False), encoding="utf-8")


def _absolute(site: SiteFile, folder: Path) -> SiteFile:
    values: dict[str, Any] = {
        **site.__dict__,
        "manifest": folder / site.manifest,
        "state": folder / site.state,
        "store": None if site.store is None else folder / site.store,
        "notes": replace(site.notes, wordnet=folder / site.notes.wordnet),
    }
    if site.coordinator is not None:
        proxy = site.coordinator.proxy
        if proxy is not None and proxy.password is not None:
            proxy = replace(proxy, password=folder / proxy.password)
        values["coordinator"] = Coordinator(
            address=site.coordinator.address,
            ca=folder / site.coordinator.ca,
            key=folder / site.coordinator.key,
            proxy=proxy,
        )
    return SiteFile(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value

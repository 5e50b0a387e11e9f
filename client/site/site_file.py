"""The hospital's own file, ``site.yaml``: where the data is, on what to compute, and what may leave.

It wins over the plan: what it does not allow does not leave, whatever the plan says.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from fedgraft.client.site.limits import Limits, Rules
from fedgraft.common.errors import SiteFileError
from fedgraft.common.plan.types import OURS, SITE_NAME

_STRICT = ConfigDict(extra="forbid")
# libyaml's, where PyYAML was built with it: a thousand simulated sites in one second instead of ten
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class ReleasePolicy:
    """What may leave this site besides the shared tensors and the number of training cases.

    ``quarantine``: how many cases can't be used, by reason. ``class_counts`` leave only if every count is 0 or at least
    ``min_count`` (of findings, those that are); an ``evaluation`` (counts over one split; docs/tasks.md) only if it is
    of at least ``min_count`` cases. ``statistics``: means, deviations and categories of a table's columns, moments of
    the features that an alignment shares, and means over images for harmonising, each of at least ``min_count``
    patients among the training cases.
    """

    __pydantic_config__ = _STRICT
    train_loss: bool = True
    evaluation: bool = True
    class_counts: bool = True
    quarantine: bool = True
    statistics: bool = True
    min_count: Annotated[int, Field(ge=1)] = 5


@dataclass(frozen=True)
class Coordinator:
    """How to reach the coordinator. Paths are absolute once read."""

    __pydantic_config__ = _STRICT
    address: str
    ca: Path
    key: Path


@dataclass(frozen=True)
class SiteFile:
    """One site. Relative paths in the YAML are relative to the file itself.

    Attributes:
        name: how the coordinator knows this site (letters, digits, ``-`` and ``_``).
        manifest: the cohort (`fedgraft.client.cohort.manifest.manifest`).
        state: folder for what is private to this site: local tensors, the release log, received plans.
        store: folder for what can be shared by sites on one machine: backbones and kept features.
        device: a torch device, for instance ``cpu`` or ``cuda:0``; ``auto`` takes a GPU if there is one.
        threads: torch's intra-op threads; by default one per core.
        release: what may leave.
        allow: packages, besides ``fedgraft``, from which a plan may instantiate parts here.
        coordinator: needed by ``fedgraft site start`` only.
        keep: whether what is computed once per case is kept on ``disk``, or in ``memory`` for as long as the process
            lives (a deployed site has a new process for each message, and then computes it each time).
        workers: processes that decode files; by default one per core; 0 decodes in the main process, unprotected.
        batch: cases at once through the frozen part; by default chosen by the size of an image.
        limits: what one file may cost.
        refuse_burned_in: quarantine images that say that an annotation is burned into their pixels.
    """

    __pydantic_config__ = _STRICT
    name: Annotated[str, Field(pattern=f"^{SITE_NAME.pattern}$")]
    manifest: Path
    state: Path
    store: Path | None = None
    device: str = "auto"
    threads: Annotated[int, Field(ge=1)] | None = None
    release: ReleasePolicy = ReleasePolicy()
    allow: tuple[str, ...] = ()
    coordinator: Coordinator | None = None
    keep: Literal["disk", "memory"] = "disk"
    workers: Annotated[int, Field(ge=0)] | None = None
    batch: Annotated[int, Field(ge=1)] | None = None
    limits: Limits = field(default_factory=Limits)
    refuse_burned_in: bool = True

    @property
    def trusted(self) -> tuple[str, ...]:
        """Packages from which a plan's parts may come here, whatever the plan says."""
        return (*OURS, *self.allow)

    @property
    def rules(self) -> Rules:
        return Rules(self.limits, self.refuse_burned_in)

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
        raw = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except UnicodeDecodeError:
        raise SiteFileError(f"site file {path} is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise SiteFileError(f"site file {path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise SiteFileError(f"site file {path} must be a mapping of keys to values")
    try:
        site = _schema().validate_python(raw)
    except ValidationError as error:
        lines = [f"  - {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise SiteFileError(f"site file {path} has {len(lines)} problem(s):\n" + "\n".join(lines)) from error
    return _absolute(site, path.resolve().parent)


@lru_cache(maxsize=1)
def _schema() -> TypeAdapter[SiteFile]:
    return TypeAdapter(SiteFile)


def write_site_file(path: Path, site: SiteFile) -> None:
    """Write a site file that `read_site_file` reads back to an equal one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump(_plain(asdict(site)), Dumper=_DUMPER, sort_keys=False), encoding="utf-8")


def _absolute(site: SiteFile, folder: Path) -> SiteFile:
    values: dict[str, Any] = {
        **site.__dict__,
        "manifest": folder / site.manifest,
        "state": folder / site.state,
        "store": None if site.store is None else folder / site.store,
    }
    if site.coordinator is not None:
        values["coordinator"] = Coordinator(
            address=site.coordinator.address,
            ca=folder / site.coordinator.ca,
            key=folder / site.coordinator.key,
        )
    return SiteFile(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value

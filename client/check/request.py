"""Which plan a site is checked against."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from fedgraft.client.cohort.inputs import Factories, InputFactory
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan, from_json, load_plan

Factory = TypeVar("Factory", bound=InputFactory)


class Chosen(NamedTuple):
    """A plan and its origin; ``backbone``: the digest of its backbone, if the coordinator has announced it."""

    plan: Plan
    origin: str
    backbone: str | None


def choose_plan(named: Path | None, site_file: Path, site: SiteFile) -> Chosen | None:
    """The named plan, else the newest that the coordinator has sent, else that of the simulation in whose folder the
    site file is, else ``None``.

    Raises:
        PlanError: the plan is missing, can't be read or is not valid.
    """
    if named is not None:
        plan = load_plan(named)
        return Chosen(plan, f"{named}", _announced(site, plan))
    sent = sorted((site.state / "plans").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if sent:
        backbone, _, text = _read(sent[-1]).partition("\n")
        return Chosen(from_json(text), "the newest that the coordinator has sent", backbone)
    run = simulation_of(site_file)
    if run is not None:
        plan = load_plan(run)
        return Chosen(plan, f"{run}, of the simulation", _announced(site, plan))
    return None


def simulation_of(site_file: Path) -> Path | None:
    """The plan of the simulation that made the site file (``runs/.../sites/<name>/site.yaml``)."""
    sites = site_file.resolve().parent.parent
    plan = sites.parent / "plan.yaml"
    return plan if sites.name == "sites" and plan.is_file() else None


def _announced(site: SiteFile, plan: Plan) -> str | None:
    file = site.state / "plans" / f"{plan.digest}.json"
    return _read(file).partition("\n")[0] if file.is_file() else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise PlanError(f"{file} can't be read; remove it, and the coordinator sends the plan again") from None


@dataclass(frozen=True)
class CheckRequest:
    """The options of the command.

    Attributes:
        plan: a plan file; ``None`` looks for one (`choose_plan`).
        sample: number of cases to decode; ``None`` decodes all.
        uplink: speed of the line in Mbit/s.
        pictures: whether a page will show thumbnails.
    """

    plan: Path | None = None
    sample: int | None = None
    uplink: float | None = None
    pictures: bool = True


@dataclass(frozen=True)
class CheckContext:
    """What all checks share.

    Attributes:
        chosen: the plan that the site is checked against, if there is one.
        model: the plan's network; ``None`` without a plan, or if it can't be built (yet).
        factories: open input factories.
    """

    site: SiteFile
    chosen: Chosen | None
    model: Model | None
    request: CheckRequest
    factories: Factories = field(default_factory=dict)

    @property
    def plan(self) -> Plan | None:
        return None if self.chosen is None else self.chosen.plan

    @property
    def image(self) -> ImageSpec | None:
        """The input of the plan's network, if it takes images."""
        spec = None if self.model is None else self.model.spec
        return spec if isinstance(spec, ImageSpec) else None

    def factory(self, of: type[Factory]) -> Factory:
        """The factory of this class; all checks share it, and with it the files that it holds open."""
        found = self.factories.setdefault(f"{of.__module__}.{of.__qualname__}", of())
        assert isinstance(found, of)
        return found

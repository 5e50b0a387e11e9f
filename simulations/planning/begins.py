"""``start_from``: another run's graft for a plan, as the user names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedgraft.common.errors import FedGraftError, PlanError, first_line
from fedgraft.common.model_folder.folder import FOLDER
from fedgraft.common.model_folder.graft import Graft, begun_from, read_graft
from fedgraft.common.plan.plan import load_plan
from fedgraft.common.plan.types import OURS
from fedgraft.simulations.planning.planned import Planned

START_FROM = "start_from"


def with_digest(raw: Mapping[str, Any], problems: list[str]) -> tuple[dict[str, Any], Graft | None]:
    """An unchecked plan with the digest in place of the folder that it names, and the graft; a problem is added if
    there is none."""
    named = raw.get(START_FROM)
    if not isinstance(named, str):
        return dict(raw), None
    engine = raw.get("engine")
    allow = engine.get("allow", ()) if isinstance(engine, Mapping) else ()
    try:
        graft = read_graft(Path(named), (*OURS, *allow))
    except FedGraftError as error:
        said = error.problems if isinstance(error, PlanError) else (first_line(error),)
        problems += [f"{START_FROM}={named}: {one}" for one in said]
        return {**raw, START_FROM: None}, None
    return {**raw, START_FROM: graft.digest}, graft


def planned_file(file: Path) -> Planned:
    """The plan of a file, with the graft from which it begins if that lies beside it."""
    plan = load_plan(file)
    if plan.start_from is None:
        return Planned(plan)
    try:
        return Planned(plan, graft=begun_from(plan, None, file.parent)[1])
    except PlanError:
        return Planned(plan)  # it can still be named


def beginning(planned: Planned, named: str | Path | None) -> Planned:
    """The plan with the graft of the run that is named, if one is.

    Raises:
        ModelError, PlanError: as `fedgraft.common.model_folder.graft.begun_from`.
    """
    if named is None and planned.graft is not None:
        return planned
    plan, graft = begun_from(planned.plan, None if named is None else Path(named))
    return replace(planned, plan=plan, graft=graft)


def require_elsewhere(named: Path, out: Path) -> None:
    """Check that a run does not overwrite the one from which it begins.

    Args:
        named: the folder of that run, or of its model.

    Raises:
        PlanError: it would.
    """
    if named.resolve() in (out.resolve(), (out / FOLDER).resolve()):
        raise PlanError(f"start_from={named} is this run's own folder, where that model would be lost; choose another")

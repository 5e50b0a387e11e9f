"""The graft of a trained model, from which another run begins (``start_from``): the tensors that sites receive.

A plan names it by its digest only. The tensors lie in the run's folder, at the coordinator: no path is in the plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, ModelError, PlanError
from fedgraft.common.model_folder.folder import FOLDER, open_model
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan, from_dict, from_json

FILE = "start_from.safetensors"
"""The file in the folder of a run that begins from another's graft."""
_SUMMARY = "summary.json"
_FRAMES = ("dicom", "input", "table", "harmonise")


@dataclass(frozen=True)
class Graft:
    """
    Attributes:
        tensors: shared and given ones, by name.
        frozen: digest of the tensors that they were trained beside, which are sent once.
        plan: with which they were trained, without the data set of a simulation.
        trained_by: digest of that run's plan.
        run: the name of that run's folder, or of a model's.
        place: the folder or file that they were read from.
    """

    tensors: dict[str, Tensor]
    frozen: str
    plan: Plan
    trained_by: str
    run: str
    place: Path

    @cached_property
    def digest(self) -> str:
        return tensors.digest(self.tensors)

    def keep(self, out: Path) -> None:
        """Write it into the folder of the run that begins from it."""
        facts = {"frozen": self.frozen, "plan": self.plan.to_json(), "trained_by": self.trained_by, "run": self.run}
        tensors.save(out / FILE, self.tensors, {**facts, "digest": self.digest})


def read_graft(path: Path, trusted: Iterable[str]) -> Graft:
    """Read the graft of a model.

    Args:
        path: the folder of a run or of a model; or the file that `Graft.keep` wrote.
        trusted: packages from which parts of that model may come.

    Raises:
        ModelError: there is no model, it is not as it was written, or the run is not complete.
        PlanError: its plan's parts can't be built here.
    """
    if path.is_file():
        return _kept(path)
    _require_complete(path)
    folder = open_model(path)
    held = folder.tensors()
    untrained = replace(folder.plan, backbone=replace(folder.plan.backbone, pretrained=False))
    model = build(untrained, None, trusted)
    found = {name: held[name] for name in model.received if name in held}
    if tensors.digest(found) != folder.about.shared_digest:
        raise ModelError(f"{folder.path}: this version of FedGraft builds another model from its plan")
    frozen = tensors.digest({name: held[name] for name in model.names("frozen")})
    root = folder.path.parent if folder.path.name == FOLDER else folder.path
    return Graft(found, frozen, folder.plan, folder.about.plan_digest, root.resolve().name, root)


def graft_of_run(out: Path, plan: Plan) -> Graft | None:
    """The graft from which the run in a folder begins; ``None`` if its plan names none.

    Raises:
        ModelError: it is not there, is damaged, or is another than the plan's.
    """
    if plan.start_from is None:
        return None
    found = _kept(out / FILE)
    if found.digest != plan.start_from:
        raise ModelError(f"{out / FILE} holds {found.digest[:12]}, and the plan begins from {plan.start_from[:12]}")
    return found


def begun_from(plan: Plan, named: Path | None, beside: Path | None = None) -> tuple[Plan, Graft | None]:
    """A plan that begins from the graft of a run, and that graft.

    Args:
        named: the folder of the run; ``None`` if none was named.
        beside: the folder of the plan's file, which holds the graft if it is that of a run.

    Raises:
        ModelError: as `read_graft`.
        PlanError: the plan begins from another model, or from one that was not named; or it can't begin from one.
    """
    if named is None and plan.start_from is None:
        return plan, None
    place = named
    if place is None and beside is not None and (beside / FILE).is_file():
        place = beside / FILE
    if place is None:
        raise PlanError(
            f"start_from={str(plan.start_from)[:12]}: the plan begins from a model that is not here; say where, by "
            "start_from=RUN (fg.simulate) or --start-from RUN (fedgraft coordinator run)"
        )
    found = read_graft(place, plan.engine.trusted)
    if plan.start_from not in (None, found.digest):
        raise PlanError(
            f"start_from: the plan begins from the model {str(plan.start_from)[:12]}, and that of {place} is "
            f"{found.digest[:12]}; name the run that the plan means, or set start_from to null"
        )
    return from_dict({**plan.to_dict(), "start_from": found.digest}), found


def origin(out: Path, plan: Plan) -> tuple[dict[str, str | None] | None, list[str]]:
    """What ``summary.json`` says of the graft from which the run in a folder began, and sentences for its reader;
    ``None`` if it began from none."""
    if plan.start_from is None:
        return None, []
    try:
        graft = graft_of_run(out, plan)
    except ModelError:  # the run is over, and needs it no more
        graft = None
    if graft is None:
        return {"digest": plan.start_from, "run": None, "plan_digest": None}, []
    return {"digest": graft.digest, "run": graft.run, "plan_digest": graft.trained_by}, _changed(plan, graft)


def _changed(plan: Plan, graft: Graft) -> list[str]:
    """Sentences on what the graft's model was used to, and is otherwise in a plan."""
    found = []
    changed = [name for name in _FRAMES if getattr(plan, name) != getattr(graft.plan, name)]
    if changed:
        found.append(
            f"start_from: {graft.run} was trained with another {' and another '.join(changed)}: what a case looks like "
            "to the model has changed since then"
        )
    if plan.data.classes != graft.plan.data.classes:
        before, now = (", ".join(one.data.classes) for one in (graft.plan, plan))
        found.append(f"start_from: {graft.run} was trained to tell {before} apart; its head begins as that of {now}")
    return found


def _kept(file: Path) -> Graft:
    try:
        held, facts = tensors.load(file), tensors.about(file)
        plan = from_json(facts["plan"])
        found = Graft(held, facts["frozen"], plan, facts["trained_by"], facts["run"], file)
    except (BackboneError, PlanError, KeyError) as error:
        raise ModelError(f"{file} can't be read as the graft from which a run begins") from error
    if found.digest != facts["digest"]:
        raise ModelError(f"{file} is damaged: its digest is another")
    return found


def _require_complete(path: Path) -> None:
    summary = path / _SUMMARY
    told = json.loads(summary.read_text(encoding="utf-8")) if summary.is_file() else {}
    if told.get("complete") is False:
        raise ModelError(
            f"{path} is not complete ({told.get('reason')}): resume it first, or name {path / FOLDER}, the model of "
            f"its round {told.get('final_round')}"
        )

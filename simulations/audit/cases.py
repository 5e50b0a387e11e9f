"""All cases of a run's simulated sites, as the head of its graft takes them: those that trained it, and those that did
not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.features.examples import Examples
from fedgraft.client.training.before_head import features_before_head, head_of, inputs_of_weights
from fedgraft.client.training.session import Session
from fedgraft.common.errors import DataError
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT, is_linear
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.audit.finding import NotTriedError, require_known
from fedgraft.simulations.audit.heads import Heads
from fedgraft.simulations.engine.grid import RUN_ID
from fedgraft.simulations.engine.result import Run


@dataclass(frozen=True)
class Pool:
    """The cases of all sites, one row each.

    Attributes:
        inputs: of the head's weights, ``(N, F)`` float32.
        labels: ``(N,)`` int64.
        site: place in ``sites``, ``(N,)`` int64.
        patient: equal for cases of one patient, ``(N,)`` int64 from 0.
        member: whether the case trained the graft, ``(N,)`` bool.
        sites: names.
    """

    inputs: Tensor
    labels: Tensor
    site: Tensor
    patient: Tensor
    member: Tensor
    sites: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, some: Tensor) -> Pool:
        """Some of the cases: places, or a mask."""
        rows = {name: getattr(self, name)[some] for name in _ROWS}
        return Pool(**rows, sites=self.sites)


@dataclass(frozen=True)
class AuditedRun:
    """A run that is attacked. ``sessions``: of its sites, as they were in the run."""

    run: Run
    plan: Plan
    sessions: tuple[Session, ...]

    @property
    def model(self) -> Model:
        return self.sessions[0].model

    @cached_property
    def pool(self) -> Pool:
        """
        Raises:
            NotTriedError: the graft is not one linear head on kept features, or a label is not one class.
        """
        self._require_linear()
        released = open_model(self.run.out).tensors()
        parts, first = [], 0
        for place, session in enumerate(self.sessions):
            session.receive(released)
            session.model.load(released)
            part = _cases(session, place, first)
            parts.append(part)
            first += int(part.patient.max()) + 1
        joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in _ROWS}
        return Pool(**joined, sites=tuple(session.site.name for session in self.sessions))

    @cached_property
    def released(self) -> Heads:
        """The head that the run released.

        Raises:
            NotTriedError: as `pool`.
        """
        self._require_linear()
        held = open_model(self.run.out).tensors()
        weight = held[HEAD + WEIGHT]
        bias = held.get(HEAD + BIAS, torch.zeros(len(weight)))
        return Heads(weight[None].float(), bias[None].float())

    def _require_linear(self) -> None:
        plan, model = self.plan, self.model
        require_known(plan)
        if model.constant.what != FEATURES:
            raise NotTriedError(
                f"more is trained than a head on kept features (the graft begins behind {model.constant.what}), and "
                "shadow grafts of it would each take as long as the run"
            )
        local = [name for name in model.names("local") if name.startswith(HEAD)]
        if local:
            raise NotTriedError(
                f"heads are personal in this plan ({', '.join(local)} never leaves a hospital), and the released model "
                "holds none that all hospitals share; the attack by confidence is on hospitals' own models"
            )
        if not is_linear(model.network.head, needs_bias=False):
            raise NotTriedError("the head is not one linear layer, which shadow heads are")
        labels = self.sessions[0].cohort["train"].labels
        if labels.ndim != 1 or labels.is_floating_point() or plan.augment.views > 1:
            raise NotTriedError("cases have not one class and one view each, by which a case's confidence is known")


_ROWS = ("inputs", "labels", "site", "patient", "member")


def open_run(folder: Path) -> AuditedRun:
    """Open the folder of a simulated run with its sites.

    Raises:
        DataError: it holds no finished run, or not the sites that were simulated.
    """
    run = Run(folder)
    plan = run.plan.plan
    files = sorted(folder.glob("sites/*/site.yaml"))
    kept = [path for path in files if (path.parent / "state" / "plans" / f"{plan.digest}.json").is_file()]
    if not kept:
        raise DataError(
            f"{folder} holds no simulated sites that took part in its run; an audit is for the folder of a simulation, "
            "by whoever ran it, and real hospitals' cases are not there to be attacked"
        )
    workspace = Workspace(lasting=False)
    return AuditedRun(run, plan, tuple(workspace.open(path.resolve(), plan.digest, RUN_ID) for path in kept))


def _cases(session: Session, place: int, first: int) -> Pool:
    """The cases of one site, of which the patients count from ``first``."""
    parts = [(name, some) for name, some in session.cohort.items() if len(some)]
    names = [patient for name, _ in parts for patient in session.accepted.splits[name].patients]
    known = {name: first + number for number, name in enumerate(dict.fromkeys(names))}
    trains = not session.held_out
    return Pool(
        torch.cat([_inputs(session, some) for _, some in parts]),
        torch.cat([some.labels for _, some in parts]),
        torch.full((len(names),), place),
        torch.tensor([known[name] for name in names]),
        torch.cat([torch.full((len(some),), trains and name == "train") for name, some in parts]),
        (session.site.name,),
    )


def _inputs(session: Session, examples: Examples) -> Tensor:
    network = session.model.constant.trained
    has = hasattr(head_of(network), "inputs")
    return (inputs_of_weights if has else features_before_head)(network, examples.of_view(0), session.device)

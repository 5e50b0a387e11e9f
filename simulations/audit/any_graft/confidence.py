"""Whether a model is surer of those who trained it: membership by confidence alone (Yeom et al., "Privacy risk in
machine learning", CSF 2018). Weaker than shadows, which it does without: for any graft, and hospitals' own models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from fedgraft.client.training.evaluation import evaluate_with_outputs
from fedgraft.client.training.personal_copy import own_copy
from fedgraft.client.training.session import Session
from fedgraft.common import tasks
from fedgraft.common.interfaces.personalisation import FinishesModel, TrainsCopy
from fedgraft.common.model_folder.folder import open_model
from fedgraft.simulations.audit.cases import AuditedRun
from fedgraft.simulations.audit.finding import Finding, NotTriedError, not_tried
from fedgraft.simulations.audit.likelihood import Attacked, attacked_once
from fedgraft.simulations.audit.words import members_table, of_members

NAME, TITLE = "confidence", "Is a model surer of those who trained it? Asked of any graft, and of hospitals' own models"
_ASKED = (
    "Somebody has a model, and a patient's image and label, and looks how sure the model is of the label (Yeom et al. "
    "2018). They train none of their own, so that an attack with shadows can get more."
)
_FEW = 20
RELEASED, OWN = "the released model", "hospitals' own models, each at its hospital"
Scored = tuple[Tensor, Tensor, Tensor]
"""Of the cases of some sites ``(N,)``: how sure, in deviations of the site's cases; whether they trained; patient."""


def confidence(audited: AuditedRun) -> Finding:
    """Attack the released model if all hospitals share one, and each hospital's own if they have some."""
    try:
        found = {name: _attacked(audited, name == OWN) for name in _models(audited)}
    except NotTriedError as why:
        return not_tried(NAME, TITLE, _ASKED, str(why))
    said = [f"Of {name}: {of_members(got)}" for name, got in found.items()]
    if isinstance(audited.sessions[0].personal, FinishesModel):
        said.append("Hospitals train the final model further for themselves when they evaluate it; that is not kept.")
    figures = {"own" if name == OWN else "released": got.to_dict() for name, got in found.items()}
    return Finding(NAME, TITLE, _ASKED, tuple(said), members_table("attacked", found), figures)


def _models(audited: AuditedRun) -> list[str]:
    """Which models there are.

    Raises:
        NotTriedError: cases have not one class each.
    """
    if not tasks.of(audited.plan.data).one_class_per_case:
        raise NotTriedError("cases have not one class each, by which it is known how sure a model is")
    local = bool(audited.model.names("local"))
    has_own = local or isinstance(audited.sessions[0].personal, TrainsCopy)
    return [*([] if local else [RELEASED]), *([OWN] if has_own else [])]


def _attacked(audited: AuditedRun, own: bool) -> Attacked:
    """
    Raises:
        NotTriedError: there are too few cases that did not train.
    """
    released = open_model(audited.run.out).tensors()
    parts, first = list[Scored](), 0
    for session in audited.sessions:
        sure, member, patient = _of_site(session, released, own)
        if bool(member.any()) and not bool(member.all()):
            parts.append((sure, member, patient + first))
            first += int(patient.max()) + 1
    if sum(int((~member).sum()) for _, member, _ in parts) < _FEW:
        raise NotTriedError(
            "the sites keep no (or under 20) validation or test cases, and without cases that did not train nobody can "
            "tell whether a guess is right; simulate with data.val_fraction=0.15"
        )
    sure, member, patient = (torch.cat(columns) for columns in zip(*parts, strict=True))
    return attacked_once(sure, member, patient)


def _of_site(session: Session, released: Mapping[str, Tensor], own: bool) -> Scored:
    session.load(released)
    names, splits = zip(*((name, some) for name, some in session.cohort.items() if len(some)), strict=True)
    with own_copy(session) if own else nullcontext():
        network, task = session.model.constant.trained, tasks.of(session.plan.data)
        each = evaluate_with_outputs(network, splits, session.device, task)
    sure = torch.cat(
        [
            sureness(torch.from_numpy(one.outputs), some.labels)
            for one, some in zip(each, splits, strict=True)
            if one is not None
        ]
    )
    trains = not session.held_out
    member = torch.cat(
        [torch.full((len(some),), trains and name == "train") for name, some in zip(names, splits, strict=True)]
    )
    of = [patient for name in names for patient in session.accepted.splits[name].patients]
    places = {patient: place for place, patient in enumerate(dict.fromkeys(of))}
    middle = sure.median()
    spread = (sure - middle).abs().median().clamp(min=1e-9)
    return (sure - middle) / spread, member, torch.tensor([places[one] for one in of])


def sureness(outputs: Tensor, labels: Tensor) -> Tensor:
    """Log odds of each case's own class, ``(N,)``.

    Args:
        outputs: ``(N, C)``.
        labels: ``(N,)`` int64.
    """
    own = outputs.gather(1, labels[:, None])[:, 0]
    return own - outputs.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1)

"""Build the plan's loss for one site: class weights, class counts, masking of absent classes, and further terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from fedgraft.client.training.absent_classes import Masked, distilled
from fedgraft.client.training.alignment import alignment_term
from fedgraft.client.training.evaluation import predict
from fedgraft.client.training.loop import LossFunction, Term
from fedgraft.client.training.session import Session
from fedgraft.common import tasks
from fedgraft.common.errors import WireError
from fedgraft.common.losses.suitability import built, require_suited
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages

Source = Callable[[Session, messages.Instruction], Term | None]


Whose = Literal["none", "local", "global"]


@dataclass(frozen=True)
class Counted:
    """What a loss depends on besides the plan; sites with equal values share a loss.

    Attributes:
        weighed: the counts from which class weights are computed; ``None`` for no weights.
        prior: the counts that the loss takes as ``class_counts``; ``None`` for none.
        learnable: by output, whether the site has the cases to learn it from; ``None`` if nothing is masked.
    """

    weighed: tuple[int, ...] | None
    prior: tuple[int, ...] | None
    learnable: tuple[bool, ...] | None


Losses = dict[tuple[str, tuple[str, ...], Counted], LossFunction]
"""Built losses, by the plan's digest, the packages that the site allows, and the counts."""


def counted(session: Session, order: messages.Instruction) -> Counted:
    """The counts that this round's loss at this site depends on.

    Raises:
        WireError: the plan needs global counts, and the coordinator sent none.
    """
    chosen, task = session.plan.loss, tasks.of(session.plan.data)
    if chosen.weights == chosen.prior == "none" and chosen.absent == "keep":
        return Counted(None, None, None)
    own = task.count(session.cohort["train"].labels)
    learnable = None if chosen.absent == "keep" else task.learnable(own)
    return Counted(
        _whose("weights", chosen.weights, own, order.class_counts),
        _whose("prior", chosen.prior, own, order.class_counts),
        None if learnable is None or all(learnable) else learnable,
    )


def build_loss(plan: Plan, counts: Counted, allowed: tuple[str, ...]) -> LossFunction:
    """The loss that the plan names.

    Raises:
        PlanError: it is not allowed, does not suit the task, or does not take an option.
    """
    require_suited(plan, allowed)
    loss = built(plan, counts.weighed, counts.prior, allowed)
    if counts.learnable is None:
        return loss
    return Masked(loss, tasks.of(plan.data), torch.tensor(counts.learnable))


def absent_term(session: Session, order: messages.Instruction) -> Term | None:
    """The term of ``loss.absent=distil``; the session's model must be the received one. ``None`` if there is none."""
    if session.plan.loss.absent != "distil":
        return None
    learnable = counted(session, order).learnable
    if learnable is None:
        return None
    received = predict(session.model.constant.trained, session.training, session.device)
    return distilled(received, tasks.of(session.plan.data), torch.tensor(learnable))


SOURCES: tuple[Source, ...] = (alignment_term, absent_term)


def _whose(option: str, whose: Whose, own: tuple[int, ...], of_all: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if whose == "none":
        return None
    if whose == "local":
        return own
    if of_all is None or len(of_all) != len(own):
        raise WireError(f"loss.{option}=global, but the coordinator sent no class counts")
    return of_all


def terms(session: Session, order: messages.Instruction) -> tuple[Term, ...]:
    """The further terms of one site's loss in a round; the session's model must be the received one."""
    found = (source(session, order) for source in SOURCES)
    return tuple(term for term in found if term is not None)

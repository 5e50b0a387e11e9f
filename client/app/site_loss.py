"""The plan's loss at a site, and its gradient over all of the site's training cases."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.training.full_batch import SummedLoss, widened
from fedgraft.client.training.loop import LossFunction
from fedgraft.client.training.loss import build_loss, counted
from fedgraft.client.training.own_intercept import at_own_intercept
from fedgraft.client.training.session import Session
from fedgraft.common.heads.linear_shape import BIAS
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.wire import messages


def loss_of(session: Session, order: messages.Instruction, workspace: Workspace) -> LossFunction:
    """The plan's loss for this round; built once for equal counts."""
    counts = counted(session, order)
    key = (session.plan.digest, session.site.allow, counts)
    if key not in workspace.losses:
        workspace.losses[key] = build_loss(session.plan, counts, session.site.trusted)
    return workspace.losses[key]


def wide_loss_of(session: Session, order: messages.Instruction, workspace: Workspace) -> LossFunction:
    """`loss_of` in float64; built once for each of its losses."""
    loss = loss_of(session, order, workspace)
    if loss not in workspace.wide_losses:
        workspace.wide_losses[loss] = widened(loss)
    return workspace.wide_losses[loss]


def gradient_at(
    session: Session,
    order: messages.Instruction,
    received: Mapping[str, Tensor],
    workspace: Workspace,
    start: Mapping[str, Tensor],
) -> SummedLoss:
    """The summed loss at the received head, and its gradient by name in the head.

    The network must hold the received tensors. If the intercept is the site's own, it is solved for, loaded into the
    network, and kept.

    Args:
        start: holds the intercept, by its name in the model, from which the site's own is searched.
    """
    loss, batch = wide_loss_of(session, order, workspace), session.full_batch
    own = {name.removeprefix(HEAD): tensor for name, tensor in received.items() if name.startswith(HEAD)}
    if HEAD + BIAS not in session.model.names("local"):
        return batch.summed_loss(own, loss)
    found, intercept = at_own_intercept(batch, own, loss, start[HEAD + BIAS])
    session.model.load({HEAD + BIAS: intercept})
    session.keep_local_tensors()
    return found

"""Handle ``query.gradient``: a site's loss and gradient at the weights that came, summed over its training cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.handlers import evaluate_received
from fedgraft.client.app.site_loss import gradient_at
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.fence.came import require_norms_within
from fedgraft.client.fence.few_patients import require_patients
from fedgraft.client.fence.history import keep_sent, sent_before
from fedgraft.client.fence.residuals import require_one_matrix, require_rest_on_many
from fedgraft.client.privacy.answers import private_site
from fedgraft.client.site import release
from fedgraft.client.training.full_batch import SummedLoss
from fedgraft.client.training.session import Session
from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.wire import messages
from fedgraft.common.wire.given import unpack_given
from fedgraft.common.wire.gradient import (
    Gradient,
    pack_gradient,
    unpack_gradient_question,
    unpack_matrices,
)


def tell_gradient(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Answer with the loss and its gradient, and log the release.

    Raises:
        WireError: the plan was never prepared here, its strategy asks for no gradients, or it holds this site out.
        SiteFileError: the site does not release what a gradient tells.
        DivergenceError: the loss is not finite at these weights.
        FenceError: the weights are too large, or the gradient at them rests on too few patients.
    """
    order, evaluate = unpack_gradient_question(content)
    session = workspace.open(site_file, order.plan_digest, run)
    if not is_exact(session.plan.strategy) or session.held_out:
        raise WireError("the plan asks this site for no gradients")
    private = session.plan.privacy.on
    require_patients(session.patients, session.site.release.patients)
    if not private:
        _require_told(session)
    if evaluate:  # the first question of a round
        session.begin_round(order.round)
    received = _received(content, session)
    require_norms_within(received, session.comes_trained, session.site.bounds)
    with session.phases.of("train"):
        session.load(received)
        summed = gradient_at(session, order, received, workspace, session.local_tensors())
        if private:
            site = private_site(session, workspace.vault(session.site))
            told, cases = site.gradient(order, received, summed), sum(site.counts())
        elif session.site.release.patients > 1:
            _require_many(session, summed)
    if private:
        return _private_answer(session, order, told, cases)
    with session.phases.of("evaluate"):
        evaluations = session.accepted.tellable("evaluation", evaluate_received(session)) if evaluate else {}
    return _answer(session, order, summed, evaluations)


def _require_told(session: Session) -> None:
    """
    Raises:
        SiteFileError: the site does not release what a gradient tells.
        AccountError: beside what was told before, it would tell of few patients.
        FewCasesError: the head has several layers.
    """
    permission = session.site.release
    release.require_gradient(session.plan.release, permission)
    session.accepted.require_training("gradient")
    if permission.patients > 1:
        require_one_matrix(session.model.network.head)


def _require_many(session: Session, summed: SummedLoss) -> None:
    """
    Raises:
        FewCasesError: the sum, or its difference to one that was told before in this run, rests on too few patients.
    """
    state, grouped, least = session.site.state, session.grouped, session.site.release.patients
    before = sent_before(state, session.run, grouped.nobody)
    gave = require_rest_on_many(summed.residuals, session.full_batch.lengths, grouped, least, before.get(""))
    keep_sent(state, session.run, before, {"": gave})


def _received(content: RecordDict, session: Session) -> dict[str, Tensor]:
    """The received head, float64, and the given tensors that came with it or before."""
    shared, given = ({name: session.specs[name] for name in session.model.names(role)} for role in ("shared", "given"))
    record = messages.unpack_arrays(content, messages.ARRAYS)
    came = unpack_given(content, given) if given else {}
    if came is None:
        return {**unpack_matrices(record, shared, session.precision), **session.kept_given()}
    session.keep_given(came)
    return {**unpack_matrices(record, shared, session.precision), **came}


def _private_answer(
    session: Session, order: messages.Instruction, told: Mapping[str, Tensor], cases: int
) -> RecordDict:
    """The noisy gradient, for the noisy number of patients; no loss, and no evaluations."""
    gradient = {HEAD + name: tensor for name, tensor in told.items()}
    answer = Gradient(session.site.name, session.plan.digest, order.round, gradient, None, cases, {})
    release.log_gradient(session.release_log, session.run, answer, session.model.names("shared"))
    return pack_gradient(answer, session.precision)


def _answer(
    session: Session, order: messages.Instruction, summed: SummedLoss, evaluations: dict[str, Evaluation]
) -> RecordDict:
    answer = Gradient(
        session.site.name,
        session.plan.digest,
        order.round,
        {HEAD + name: tensor for name, tensor in summed.gradient.items()},
        summed.loss,
        len(session.cohort["train"]),
        release.release_evaluations(evaluations, session.plan.release, session.site.release),
    )
    release.log_gradient(session.release_log, session.run, answer, session.model.names("shared"))
    return pack_gradient(answer, session.precision)

"""Answers of a site in a run with ``privacy=record``: all that leaves has noise, and is charged before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from flwr.app import RecordDict
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.privacy.kept import Told
from fedgraft.client.privacy.linear_steps import in_closed_form, train_linear
from fedgraft.client.privacy.noisy_steps import train_with_noise
from fedgraft.client.privacy.site import PrivateSite
from fedgraft.client.secure.vault import Vault
from fedgraft.client.site import release
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.session import Session
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError, PrivacyError, SecureError
from fedgraft.common.wire.messages import Instruction, Update, pack_answer, pack_update
from fedgraft.common.wire.offer import Offer, pack_offer
from fedgraft.common.wire.summed.noisy_figures import pack_noisy_figures


def private_offer(session: Session) -> RecordDict:
    """Answer to ``query.prepare``, and log it: noisy numbers of patients in the place of numbers of cases; with
    ``privacy=site`` none, and each site counts as one case.

    Raises:
        PrivacySpentError: the site's budget does not suffice for the run.
        PrivacyError: its site file forbids what the plan needs.
    """
    site, plan = session.site, session.plan
    fractions = session.accepted.account.own_fractions(plan.data)
    if session.abstains:
        why = session.abstains
        return _logged(session, Offer(site.name, plan.digest, True, 0, None, abstains=why, fractions=fractions))
    if plan.privacy.by_patient and not (site.release.class_counts and site.release.statistics):
        raise PrivacyError("the plan asks for noisy class counts and gradients, which `release` in site.yaml forbids")
    unmarked = [name for name in site.unmarked if name in plan.data.classes]
    if unmarked:
        raise PrivacyError(
            f"`unmarked` in site.yaml has {', '.join(unmarked)} of the plan's findings, and "
            f"privacy={plan.privacy.unit} weighs all rows of the head alike: this site's would pull them back"
        )
    private = PrivateSite(session)
    if plan.privacy.by_site:
        if plan.aggregation.secure:
            private.begin()
        return _logged(session, Offer(site.name, plan.digest, True, session.told_cases, None, fractions=fractions))
    private.begin()
    counts = private.counts()
    by_class = counts if tasks.of(plan.data).one_class_per_case else None
    return _logged(session, Offer(site.name, plan.digest, True, sum(counts), by_class, fractions=fractions))


def _logged(session: Session, offer: Offer) -> RecordDict:
    release.log_release(session.release_log, "offer", session.run, offer, plan=session.plan.digest)
    return pack_offer(offer)


def private_figures(
    session: Session,
    order: Instruction,
    received: Mapping[str, Tensor],
    outputs: Mapping[str, NDArray[np.float32]],
    vault: Vault,
) -> RecordDict:
    """Answer to ``evaluate``, and log it: noisy counts that figures are made of, or nothing if the plan asks for none.

    Args:
        outputs: of the network, by split.

    Raises:
        PrivacyError: its site file forbids evaluations.
        PrivacySpentError: they were told in this run.
    """
    site, plan = session.site, session.plan
    if not plan.privacy.evaluation:
        return pack_answer(site.name, plan.digest, order.round, {})
    if not site.release.evaluation:
        raise PrivacyError("the plan asks for noisy counts of scores, which `release.evaluation` in site.yaml forbids")
    private = private_site(session, vault)
    told = private.figures(received, outputs)
    about = {"plan": plan.digest, "round": order.round, "noise": private.budget.evaluation, "splits": sorted(told)}
    release.append_line(session.release_log, "noisy counts of scores", session.run, **about)
    return pack_noisy_figures(site.name, plan.digest, order.round, told)


def private_update(
    session: Session, order: Instruction, received: Mapping[str, Tensor], train: Callable[[], Told]
) -> RecordDict:
    """Answer to ``train``, and log it: the shared tensors after noisy steps (DP-SGD), for the noisy number of patients;
    no loss, no evaluations, and nothing of how it went.

    Args:
        train: gives the shared tensors after the steps of `noisy_training`; not called if the round was answered.

    Raises:
        PrivacySpentError: the site has told all rounds that it was charged with.
    """
    site, plan = session.site, session.plan
    private, names = PrivateSite(session), session.model.names("shared")
    told = dict(private.trained(order.round, received, train))
    found = Update(site.name, plan.digest, order.round, told, sum(private.counts()), None, {})
    leaving = release.release_update(found, names, plan.release, site.release)
    about = {"plan": plan.digest, "round": order.round, "noise": private.budget.gradients}
    release.log_release(session.release_log, "update", session.run, leaving, **about)
    return pack_update(leaving)


def noisy_training(session: Session, received: Mapping[str, Tensor], task: LocalTraining) -> dict[str, Tensor]:
    """The shared tensors after a round's noisy steps from those that came."""
    session.load(received)
    train_with_noise(session.model.constant.trained, task, PrivateSite(session).steps, session.device)
    return session.model.tensors(session.model.names("shared"))


def noisy_training_together(
    sessions: Sequence[Session], received: Mapping[str, Tensor], tasks: Sequence[LocalTraining]
) -> list[dict[str, Tensor] | PlanError] | None:
    """`noisy_training` of sites that received the same tensors for one linear head, or an error for a site; ``None`` if
    it can't be done at once.

    Args:
        sessions: of one model and one plan, without local tensors.
    """
    model = sessions[0].model
    head, prefix = model.constant.trained, model.constant.prefix
    trained = tasks[0].trained(head)
    how = [PrivateSite(session).steps for session in sessions]
    if {prefix + name for name in trained} != set(model.names("shared")) or not in_closed_form(head, trained, how):
        return None
    start = {name: received[prefix + name] for name in trained}
    found = train_linear(head, start, tasks, how, sessions[0].device)
    return [
        {prefix + name: value.cpu() for name, value in own.items()} if isinstance(own, dict) else own for own in found
    ]


def private_site(session: Session, vault: Vault) -> PrivateSite:
    """The site, for an answer that goes into a secure sum if the plan says so.

    Raises:
        SecureError: it does, and the site has no keys for one.
    """
    if not session.plan.aggregation.secure:
        return PrivateSite(session)
    member = vault.read(session.run)
    if member is None or member.ready is None:
        raise SecureError("this site has no keys for a secure sum, into which its noisy answer must go")
    return PrivateSite(session, member.ready.circle.threshold, member.ready.secrets.public.hex())

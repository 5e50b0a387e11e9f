"""The handler of each kind of message: it takes the message's records and returns those of the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flwr.app import RecordDict
from torch import Tensor

from fedgraft.client.app.estimate import round_seconds
from fedgraft.client.app.own_predictions import keep_predictions
from fedgraft.client.app.prevalence import Prevalence, balance
from fedgraft.client.app.site_loss import gradient_at, loss_of
from fedgraft.client.app.subgroups import evaluate_subgroups
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.augmentation.mixing import mixing_of
from fedgraft.client.fence.came import require_norms_within
from fedgraft.client.fence.few_patients import require_patients
from fedgraft.client.fence.held_back import HeldBack, held_back
from fedgraft.client.fence.plan_bounds import require_remembering
from fedgraft.client.privacy.answers import noisy_training, private_figures, private_offer, private_update
from fedgraft.client.privacy.required import UPDATE, require_unpromised
from fedgraft.client.site import release
from fedgraft.client.site.own_tensors import carry_over
from fedgraft.client.site.role import require_role_to_train
from fedgraft.client.training.alignment import fill_reference
from fedgraft.client.training.evaluation import Evaluated, evaluate_with_outputs
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.loss import terms
from fedgraft.client.training.personal_copy import own_copy, train_own_copy
from fedgraft.client.training.personalisation import NetworkTraining, on_enough, train_round, watch_of
from fedgraft.client.training.schedules import learning_rate, rates
from fedgraft.client.training.session import Session
from fedgraft.client.training.test_time import adapted, adapts
from fedgraft.common import tasks
from fedgraft.common.compression.compression import Down, down_decode
from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.personalisation import FinishesModel
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.tensors import count_bytes
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import unpack_backbone
from fedgraft.common.wire.offer import Offer, pack_offer
from fedgraft.common.wire.prevalence import pack_prevalence
from fedgraft.common.wire.run_name import continues_of
from fedgraft.common.wire.subgroups import ByGroup, pack_subgroups

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Assignment:
    """What one ``train`` message asks of one site: the received tensors, and the training to do."""

    session: Session
    order: messages.Instruction
    received: Tensors
    task: LocalTraining


def prepare(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Handle ``query.prepare``: keep the plan, and answer with the site's offer, or that it needs the backbone."""
    plan_json, digest, backbone_digest = messages.unpack_prepare(content)
    site = workspace.site(site_file)
    plan = workspace.accept_plan(site, plan_json, digest, backbone_digest)
    if lacks := workspace.lacks(site, backbone_digest):
        return pack_offer(Offer(site.name, digest, False, 0, None, lacks=lacks))
    if before := continues_of(content):
        carry_over(site.state, before, digest, run)
    session = workspace.open(site_file, digest, run)
    if plan.privacy.on:
        return private_offer(session)
    train, task = session.cohort["train"], tasks.of(plan.data)
    counts = None if session.held_out or session.abstains else task.count(train.labels)
    abstains = session.abstains
    if not abstains:
        session.accepted.require_training("counts")
    offer = Offer(
        site.name,
        digest,
        True,
        0 if abstains else len(train),
        counts,
        session.accepted.quarantined,
        abstains=abstains,
        fractions=session.accepted.account.own_fractions(plan.data),
        seconds=round_seconds(session) if workspace.lasting and not abstains else None,
        receipt=workspace.receipt(site, digest),
        marked=None if counts is None else task.known(train.labels),
    )
    offer = release.release_offer(offer, plan.release, site.release, task)
    release.log_release(session.release_log, "offer", run, offer, plan=digest)
    return pack_offer(offer)


def receive_backbone(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Handle ``query.backbone``: verify and keep the backbone, then answer as to ``query.prepare``."""
    states = unpack_backbone(messages.unpack_arrays(content, messages.FROZEN))
    workspace.accept_backbone(workspace.site(site_file), messages.unpack_prepare(content)[2], states)
    return prepare(content, workspace, site_file, run)


def train(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Handle ``train``: evaluate the received model, then train it on the site's cases."""
    return carry_out(assign(content, workspace, site_file, run))


def evaluate(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Handle ``evaluate``: evaluate the received model on the site's validation and test cases."""
    order = messages.unpack_order(content)
    session = workspace.open(site_file, order.plan_digest, run)
    received = received_by(content, session)
    session.load(received)
    prevalence = balance(session, received, order.class_counts)
    session.keep_scale()
    if is_exact(session.plan.strategy) and session.personal is not None:
        gradient_at(session, order, received, workspace, session.initial)  # for the intercept that belongs to these
    with adapted(session) if adapts(session.plan, session.site.name) else own_copy(session):
        if isinstance(session.personal, FinishesModel) and not session.held_out:
            task = replace(_task(session, order, received, workspace, "finish"), terms=terms(session, order))
            session.personal.finish(NetworkTraining(session.model.constant.trained, task, session.device))
        found = evaluated_received(session)
    keep_predictions(session, received, outputs := {split: one.outputs for split, one in found.items()})
    if session.plan.privacy.on:
        return private_figures(session, order, received, outputs, workspace.vault(session.site))
    groups = evaluate_subgroups(session, outputs.get("test"))
    told = session.accepted.tellable("evaluation", {split: one.evaluation for split, one in found.items()})
    return answer_evaluate(session, order, told, groups, prevalence)


def assign(
    content: RecordDict, workspace: Workspace, site_file: Path, run: int, received: Tensors | None = None
) -> Assignment:
    """Read a ``train`` message.

    Args:
        received: the message's tensors, if they were unpacked already for another site of this process.
    """
    order = messages.unpack_order(content)
    session = workspace.open(site_file, order.plan_digest, run)
    require_unpromised(session.plan, UPDATE)
    require_role_to_train(session.site)
    if session.held_out:
        raise WireError("the plan holds this site out: it never trains, and evaluates the final model")
    require_patients(session.patients, session.site.release.patients)
    require_remembering(session.plan, order.proximal_mu, session.site.bounds)
    received = received_by(content, session, session.plan.compression.down) if received is None else received
    session.begin_round(order.round)
    session.receive(received)
    deadline = time.monotonic() + session.site.bounds.seconds
    task = replace(_task(session, order, received, workspace), deadline=deadline)
    if not session.plan.privacy.by_patient:  # else noise hides few patients, and what is held back would tell of them
        task = replace(task, watch=watch_of(session, task))
    return Assignment(session, order, received, task)


def carry_out(given: Assignment) -> RecordDict:
    """Evaluate the received model, train it, and answer."""
    session, phases = given.session, given.session.phases
    if session.plan.privacy.by_patient:
        with phases.of("train"):
            train = partial(noisy_training, session, given.received, given.task)
            return private_update(session, given.order, given.received, train)
    with phases.of("evaluate"):
        session.load(given.received)
        with own_copy(session):
            evaluations = evaluate_received(session)
    trained = train_loaded(given)
    with phases.of("answer"):
        return answer(given, *fenced(given, *trained), evaluations)


def train_loaded(given: Assignment) -> tuple[Tensors, float]:
    """Train what the network holds, the received model; returns the shared tensors and the mean loss."""
    session = given.session
    with session.phases.of("train"):
        task = replace(given.task, terms=terms(session, given.order))
        fill_reference(session)
        training = NetworkTraining(session.model.constant.trained, task, session.device)
        loss = train_round(session.personal, training)
        shared = session.model.tensors(session.model.names("shared"))
        session.keep_local_tensors()
        own = replace(task, generator=session.generator(given.order.round, "own"), watch=None)
        train_own_copy(session, given.received, own)
    return shared, loss


def fenced(given: Assignment, shared: Tensors, loss: float) -> tuple[HeldBack, float]:
    """What of the trained tensors rests on enough patients, and the mean loss; `FewCasesError` if too little does."""
    session, watch = given.session, given.task.watch
    shared, loss = on_enough(session, given.task, given.order, given.received, shared, loss)
    least, below = session.site.release.patients, session.site.bounds.below
    return held_back(watch, shared, given.received, session.model.constant.prefix, least, below), loss


def answer(given: Assignment, held: HeldBack, loss: float, evaluations: Mapping[str, Evaluation]) -> RecordDict:
    """The answer to ``train`` (what was `fenced`): released, compressed and logged."""
    session, order, shared = given.session, given.order, held.tensors
    session.accepted.require_training("update")
    update = messages.Update(
        session.site.name,
        session.plan.digest,
        order.round,
        shared,
        session.told_cases,
        loss,
        session.accepted.tellable("evaluation", evaluations),
        held.number,
    )
    names = session.model.names("shared")
    leaving = release.release_update(update, names, session.plan.release, session.site.release)
    encoded = session.codec.encode(shared, given.received, session.residual(), session.generator(order.round, "up"))
    session.keep_residual(encoded.residual)
    release.require_shared(encoded.payload, names)
    about: dict[str, object] = {"plan": session.plan.digest, "round": order.round}
    about["tensor_bytes"] = count_bytes(encoded.payload)
    if held.number:
        about |= {"held_back": held.units, "of_units": held.of}
    if given.task.watch is not None and given.task.watch.shortened:
        about["shortened_patients"] = given.task.watch.shortened
    if session.plan.compression.target is not None:
        about["arrays"] = sorted(encoded.payload)
    release.log_release(session.release_log, "update", session.run, leaving, **about)
    return messages.pack_update(replace(leaving, tensors=encoded.payload))


def answer_evaluate(
    session: Session,
    order: messages.Instruction,
    evaluations: dict[str, Evaluation],
    groups: ByGroup[Evaluation],
    prevalence: Prevalence | None = None,
) -> RecordDict:
    """The answer to ``evaluate``: released and logged. The site's own log also holds an estimated prevalence that may
    not leave."""
    plan, permission = session.plan, session.site.release
    leaving = release.release_evaluations(evaluations, plan.release, permission)
    about, told = dict[str, object](plan=plan.digest, round=order.round), None
    if prevalence is not None:
        told = release.release_counts(prevalence.counts, plan.release, permission, tasks.of(plan.data))
        shares = [round(share, 4) for share in prevalence.shares]
        about |= {"estimated_prevalence": shares, "expected_counts_told": told}
    if groups:
        about["subgroups"] = {name: {of: one.cases for of, one in some.items()} for name, some in groups.items()}
    release.log_release(session.release_log, "evaluation", session.run, leaving, **about)
    answer = messages.pack_answer(session.site.name, plan.digest, order.round, leaving)
    answer.update(pack_prevalence(told))
    answer.update(pack_subgroups(groups))
    return answer


def received_by(content: RecordDict, session: Session, down: Down = "exact") -> Tensors:
    """The tensors that came with a message.

    Raises:
        BoundsError: one is larger than the site allows.
    """
    record = messages.unpack_arrays(content, messages.ARRAYS)
    if down == "exact":
        received = messages.unpack_tensors(record, session.specs)
    else:
        received = down_decode(messages.unpack_any(record), session.specs, down)
    require_norms_within(received, session.comes_trained, session.site.bounds)
    return received


def evaluate_received(session: Session) -> dict[str, Evaluation]:
    """Evaluate what the network holds on the validation and test cases."""
    return {split: one.evaluation for split, one in evaluated_received(session).items()}


def evaluated_received(session: Session) -> dict[str, Evaluated]:
    """`evaluate_received`, with the outputs."""
    splits = [session.cohort[split] for split in messages.SPLITS]
    found = evaluate_with_outputs(session.model.constant.trained, splits, session.device, tasks.of(session.plan.data))
    return {split: one for split, one in zip(messages.SPLITS, found, strict=True) if one is not None}


def _task(
    session: Session, order: messages.Instruction, received: Tensors, workspace: Workspace, use: str = ""
) -> LocalTraining:
    """The plan's training in a round, without further terms of the loss; ``use`` selects another order of cases."""
    plan, own_name = session.plan, session.model.constant.own_name
    return LocalTraining(
        examples=session.training,
        loss=loss_of(session, order, workspace),
        train=plan.train,
        lr=learning_rate(plan.train, order.round, plan.rounds),
        generator=session.generator(order.round, use),
        mu=order.proximal_mu,
        received={own_name(name): tensor for name, tensor in received.items()},
        sampler=session.sampler,
        mixing=mixing_of(plan),
        rates=rates(plan.train, session.model, order.round),
    )

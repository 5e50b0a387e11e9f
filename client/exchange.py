"""What a site does for each kind of message: records in, records out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from flwr.app import RecordDict

from fedgraft.client import release
from fedgraft.client.evaluation import evaluate_split
from fedgraft.client.imbalance import inverse_frequency
from fedgraft.client.training import LossFunction, learning_rate, train_locally
from fedgraft.client.workspace import Session, Workspace
from fedgraft.common import parts, roles, wire
from fedgraft.common.errors import WireError
from fedgraft.common.metrics import Evaluation


def prepare(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Keep the plan; say who this site is, and whether it needs the backbone."""
    plan_json, digest, backbone_digest = wire.unpack_prepare(content)
    site = workspace.site(site_file)
    plan = workspace.accept_plan(site, plan_json, digest, backbone_digest)
    if not workspace.has_backbone(site, backbone_digest):
        return wire.pack_offer(wire.Offer(site.name, digest, False, 0, None))
    session = workspace.open(site_file, digest, run)
    train = session.cohort["train"]
    counts = train.class_counts(len(plan.data.classes))
    offer = release.release_offer(
        wire.Offer(site.name, digest, True, len(train.labels), counts), plan.release, site.release
    )
    release.write_down(session.release_log, "offer", run, offer, plan=digest)
    return wire.pack_offer(offer)


def receive_backbone(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Verify and keep the backbone, then answer as to ``query.prepare``."""
    _, _, backbone_digest = wire.unpack_prepare(content)
    record = wire.unpack_arrays(content, wire.FROZEN)
    workspace.accept_backbone(workspace.site(site_file), backbone_digest, wire.unpack_backbone(record))
    return prepare(content, workspace, site_file, run)


def train(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Evaluate the model that came, then train it on the site's own cases."""
    order = wire.unpack_order(content)
    session = workspace.open(site_file, order.plan_digest, run)
    received = _load(content, session)
    evaluations = _evaluate(session)
    plan = session.plan
    network = session.model.trained_part
    loss = train_locally(
        network,
        session.cohort["train"],
        _loss(session, order, workspace),
        plan.train,
        learning_rate(plan.train, order.round, plan.rounds),
        _generator(session, order.round),
        session.device,
        (order.proximal_mu, _names_within(network, session, received)),
    )
    session.keep_local_tensors()
    shared = session.model.names("shared")
    update = wire.Update(
        session.site.name,
        plan.digest,
        order.round,
        session.model.tensors(shared),
        len(session.cohort["train"].labels),
        loss,
        evaluations,
    )
    leaving = release.release_update(update, shared, plan.release, session.site.release)
    release.write_down(session.release_log, "update", run, leaving, plan=plan.digest, round=order.round)
    return wire.pack_update(leaving)


def evaluate(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Evaluate the model that came on the site's validation and test cases."""
    order = wire.unpack_order(content)
    session = workspace.open(site_file, order.plan_digest, run)
    _load(content, session)
    evaluations = release.release_evaluations(_evaluate(session), session.plan.release, session.site.release)
    release.write_down(session.release_log, "evaluation", run, evaluations, plan=session.plan.digest, round=order.round)
    return wire.pack_answer(session.site.name, session.plan.digest, order.round, evaluations)


def _load(content: RecordDict, session: Session) -> dict[str, torch.Tensor]:
    """Put what came and what is this site's own into the network; returns the shared tensors as they came."""
    record = wire.unpack_arrays(content, wire.ARRAYS)
    specs = wire.specs_of({name: session.initial[name] for name in session.model.names("shared")})
    received = wire.unpack_tensors(record, specs)
    session.model.load({**received, **session.local_tensors()})
    return received


def _evaluate(session: Session) -> dict[str, Evaluation]:
    network = session.model.trained_part
    found = {split: evaluate_split(network, session.cohort[split], session.device) for split in wire.SPLITS}
    return {split: evaluation for split, evaluation in found.items() if evaluation is not None}


def _loss(session: Session, order: wire.Order, workspace: Workspace) -> LossFunction:
    """The plan's loss with this round's class weights; built once for as long as the counts stay the same."""
    counts = _class_counts(session, order)
    key = (session.site.name, session.plan.digest, counts)
    if key not in workspace.losses:
        plan, allowed = session.plan, (*parts.OURS, *session.site.allow)
        weights = None if counts is None else inverse_frequency(counts)
        workspace.losses[key] = parts.build(plan.loss.target, "loss", plan.loss.options, allowed, class_weights=weights)
    return workspace.losses[key]


def _class_counts(session: Session, order: wire.Order) -> tuple[int, ...] | None:
    """The counts that ``loss.weights`` names."""
    classes = len(session.plan.data.classes)
    if session.plan.loss.weights == "none":
        return None
    if session.plan.loss.weights == "local":
        return session.cohort["train"].class_counts(classes)
    if order.class_counts is None or len(order.class_counts) != classes:
        raise WireError("loss.weights=global, but the coordinator sent no class counts")
    return order.class_counts


def _names_within(
    network: torch.nn.Module, session: Session, received: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The received tensors under the names that ``network`` gives them."""
    if network is not session.model.network.head:
        return received
    return {name.removeprefix(roles.HEAD): tensor for name, tensor in received.items()}


def _generator(session: Session, server_round: int) -> torch.Generator:
    """Order of the cases: drawn from the plan's seed, the site's name and the round, equal on every machine."""
    text = f"{session.plan.seed}|{session.site.name}|{server_round}"
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    return torch.Generator().manual_seed(seed)

"""Compute how many bytes a plan's messages have, without sending them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flwr.app import ConfigRecord, MetricRecord, RecordDict

from fedgraft.common import tasks
from fedgraft.common.compression.compression import down_encode, largest_payload, up_codec
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import pack_backbone
from fedgraft.common.wire.gradient import Gradient, pack_gradient, pack_gradient_question, pack_matrices


@dataclass(frozen=True)
class Volume:
    """Bytes to and from one site, without evaluations (their size depends on the number of cases).

    Attributes:
        question: the plan, sent once.
        backbone: the backbone, sent once if the site lacks it.
        down, up: to and from the site, each round; with ``strategy=exact``, each time that the gradient is asked for.
        last: to the site, after the last round.
        times: how often in a round, at most.
    """

    question: int
    backbone: int
    down: int
    up: int
    last: int
    times: int = 1


def volume(plan: Plan, model: Model) -> Volume:
    """The bytes that one site receives and sends under this plan."""
    path = path_of(plan, plan.engine.trusted)
    down, up = message_bytes(plan, model) if path is None else _gradient_bytes(plan, model)
    received = model.tensors(model.received)
    return Volume(
        question=messages.count_bytes(messages.pack_prepare(plan.for_sites().to_json(), plan.digest, "0" * 64)),
        backbone=messages.count_bytes(RecordDict({messages.FROZEN: pack_backbone(model.backbone_states())})),
        down=down,
        up=up,
        last=messages.count_bytes(messages.pack_evaluate(received, plan.digest, plan.rounds)),
        times=1 if path is None else _questions(plan, path),
    )


def _questions(plan: Plan, path: ExactPath) -> int:
    """How often, at most, a round asks for a gradient."""
    return math.ceil(plan.privacy.steps / plan.rounds) if plan.privacy.by_patient else path.most_evaluations


def message_bytes(plan: Plan, model: Model) -> tuple[int, int]:
    """``(down, up)``: bytes of one train message and of its answer without evaluations."""
    shared = model.tensors(model.names("shared"))
    sent = messages.pack_tensors(down_encode(model.tensors(model.received), plan.compression.down))
    answered = messages.pack_tensors(largest_payload(up_codec(plan.compression, plan.engine.trusted), shared))
    counts = _counts(plan)
    config = messages.pack_config(plan.digest, counts)
    config["server-round"] = plan.rounds
    if "proximal_mu" in plan.strategy.options:
        config["proximal-mu"] = 0.0
    metrics = MetricRecord({messages.EXAMPLES: 1, **({"train-loss": 0.0} if plan.release.train_loss else {})})
    site = ConfigRecord({"name": "site-01", "plan": plan.digest, "round": plan.rounds})
    down = messages.count_bytes(RecordDict({messages.ARRAYS: sent, messages.CONFIG: config}))
    up = messages.count_bytes(RecordDict({messages.ARRAYS: answered, messages.METRICS: metrics, messages.SITE: site}))
    return down, up


def _gradient_bytes(plan: Plan, model: Model) -> tuple[int, int]:
    """``(down, up)``: bytes of one question for the gradient and of its answer without evaluations."""
    path = path_of(plan, plan.engine.trusted)
    assert path is not None
    shared = model.tensors(model.names("shared"))
    sent = pack_matrices(shared, path.precision)
    question = pack_gradient_question(sent, {}, plan.digest, plan.rounds, _counts(plan), evaluate=False)
    answer = pack_gradient(Gradient("site-01", plan.digest, plan.rounds, shared, 0.0, 1, {}), path.precision)
    return messages.count_bytes(question), messages.count_bytes(answer)


def _counts(plan: Plan) -> tuple[int, ...] | None:
    """As many counts as the coordinator sends, if the loss asks for them."""
    return (0,) * len(tasks.of(plan.data).counts) if plan.loss.asks_all_counts else None

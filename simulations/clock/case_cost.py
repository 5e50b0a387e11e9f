"""Measure, for about a second, the seconds per case that the plan's model takes on this machine (speed 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from flwr.app import RecordDict

from fedgraft.client.augmentation.mixing import mixing_of
from fedgraft.client.check.measure import seconds_per_case
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext, factory_of
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.features.examples import Examples
from fedgraft.client.site.row_store import Store
from fedgraft.client.training.evaluation import evaluate_split
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.loss import Counted, build_loss
from fedgraft.client.training.sampling import sampler_of
from fedgraft.common import tasks
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.backbone import pack_backbone
from fedgraft.simulations.clock.timeline import CaseCosts

_CASES = 8
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class MeasuredCosts:
    """``costs``: seconds per case at speed 1. ``backbone``: bytes of the message with the backbone."""

    costs: CaseCosts
    backbone: int


def calibrate(plan: Plan, cases: Sequence[Case]) -> MeasuredCosts:
    """Measure the costs of a case on this machine; numbers given in ``clock.case_seconds`` are used as they are.

    Args:
        cases: at least one; the first eight are decoded.

    Raises:
        DataError: a case can't be decoded.
        PlanError, BackboneError: as `fedgraft.common.models.build.build`.
    """
    model = build(plan, None, plan.engine.trusted)
    given = None if plan.clock is None else plan.clock.case_seconds
    threads = torch.get_num_threads()
    keep = given.keep if given else None
    # all views are computed: this overestimates validation and test cases, which have one view
    keep = plan.augment.views * seconds_per_case(_keeping(model, plan, cases[:_CASES])) if keep is None else keep
    if model.constant.what == FEATURES:
        torch.set_num_threads(1)  # as a site does (`fedgraft.client.app.workspace`)
    try:
        train, evaluate = (given.train, given.evaluate) if given else (None, None)
        train = seconds_per_case(_training(model, plan)) if train is None else train
        evaluate = seconds_per_case(_evaluating(model, plan)) if evaluate is None else evaluate
    finally:
        torch.set_num_threads(threads)
    parcel = RecordDict({messages.FROZEN: pack_backbone(model.backbone_states())})
    return MeasuredCosts(CaseCosts(keep, train, evaluate), messages.count_bytes(parcel))


def _keeping(model: Model, plan: Plan, cases: Sequence[Case]) -> Callable[[], int]:
    def work() -> int:
        context = InputContext(plan, plan.engine.trusted, Store(None), workers=0)
        inputs = factory_of(context.kind, context.trusted).inputs(context)  # a new one: nothing is decoded yet
        some_cases = inputs.expanded(cases)
        verdicts = inputs.verdicts(some_cases)
        usable = [CaseView(case) for case, verdict in zip(some_cases, verdicts, strict=True) if verdict == USABLE]
        for _, some in inputs.batches(usable, len(usable)):
            model.constant.compute(some)
        return max(1, len(usable))

    return work


def _training(model: Model, plan: Plan) -> Callable[[], int]:
    examples, generator = _examples(model, plan), torch.Generator().manual_seed(0)
    allowed = plan.engine.trusted
    counts = tasks.of(plan.data).count(examples.labels)  # made up: weights and priors do not change the cost
    weighed, prior = (None if asked == "none" else counts for asked in (plan.loss.weights, plan.loss.prior))
    loss = build_loss(plan, Counted(weighed, prior, None), allowed)
    sampler, mixing = sampler_of(parts.chosen(plan.sampling, "sampling", allowed)), mixing_of(plan)
    train, rate = replace(plan.train, epochs=1), 1e-9  # a real rate could diverge in so many epochs on noise

    def work() -> int:
        train_locally(
            model.constant.trained,
            LocalTraining(examples, loss, train, rate, generator, sampler=sampler, mixing=mixing),
            _CPU,
        )
        return len(examples.labels)

    return work


def _evaluating(model: Model, plan: Plan) -> Callable[[], int]:
    examples = _examples(model, plan)

    def work() -> int:
        evaluate_split(model.constant.trained, examples, _CPU, tasks.of(plan.data))
        return len(examples.labels)

    return work


def _examples(model: Model, plan: Plan) -> Examples:
    """At least two batches of noise, in the shape that the rest of the network takes."""
    number = max(_CASES, 2 * plan.train.batch_size)
    noise = torch.randn(number, *model.taken, generator=torch.Generator().manual_seed(0))
    return Examples(noise, tasks.of(plan.data).some_labels(number))

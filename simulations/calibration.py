"""What a case costs on this machine: the scale of virtual time, measured on the plan's own model for about a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from flwr.app import RecordDict

from fedgraft.client.cohort import inputs_of
from fedgraft.client.decoding import Wanted
from fedgraft.client.evaluation import evaluate_split
from fedgraft.client.examples import Examples
from fedgraft.client.images import CaseReader
from fedgraft.client.inputs import Inputs
from fedgraft.client.manifest import Case
from fedgraft.client.table_file import TableFiles
from fedgraft.client.training import Task, train_locally
from fedgraft.client.transforms import to_input
from fedgraft.common import parts, wire
from fedgraft.common.backbone import InputSpec
from fedgraft.common.backbone_record import pack_backbone
from fedgraft.common.constant import FEATURES
from fedgraft.common.model import Model, build
from fedgraft.common.plan import Plan
from fedgraft.simulations.clock import CaseCosts

_LEAST_SECONDS = 0.3  # a head's pass takes 30 microseconds: repeat it until the clock can tell
_CASES = 8
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Measured:
    """``costs`` at speed 1, and the bytes of the message that brings the backbone."""

    costs: CaseCosts
    backbone: int


def calibrate(plan: Plan, cases: Sequence[Case]) -> Measured:
    """Measure what a case costs here; a number that ``clock.case_seconds`` gives is taken as it is.

    Args:
        cases: at least one; the first few are decoded.

    Raises:
        DataError: a case can't be decoded.
        PlanError, BackboneError: as `fedgraft.common.model.build`.
    """
    model = build(plan, None)
    given = None if plan.clock is None else plan.clock.case_seconds
    threads = torch.get_num_threads()
    keep = given.keep if given else None
    # every view is computed; that of a validation or test case, which has one, is overestimated
    keep = plan.augment.views * seconds_per_case(_keeping(model, plan, cases[:_CASES])) if keep is None else keep
    if model.constant.what == FEATURES:
        torch.set_num_threads(1)  # as a site does (`fedgraft.client.workspace`)
    try:
        train, evaluate = (given.train, given.evaluate) if given else (None, None)
        train = seconds_per_case(_training(model, plan)) if train is None else train
        evaluate = seconds_per_case(_evaluating(model, plan)) if evaluate is None else evaluate
    finally:
        torch.set_num_threads(threads)
    parcel = RecordDict({wire.FROZEN: pack_backbone(model.backbone_state())})
    return Measured(CaseCosts(keep, train, evaluate), wire.count_bytes(parcel))


def seconds_per_case(work: Callable[[], int], now: Callable[[], float] = time.perf_counter) -> float:
    """Seconds divided by cases; ``work`` is repeated, and returns how many cases it did; ``now`` is in seconds."""
    work()  # the first time pays for what is set up once
    start, cases = now(), 0
    while now() - start < _LEAST_SECONDS:
        cases += work()
    return (now() - start) / cases


def _keeping(model: Model, plan: Plan, cases: Sequence[Case]) -> Callable[[], int]:
    inputs, reader, spec = inputs_of(plan, TableFiles()), CaseReader(), model.spec

    def work() -> int:
        if inputs is not None or not isinstance(spec, InputSpec):
            return _keep_rows(model, inputs, cases)
        images = torch.stack([to_input(reader(case), spec) for case in cases])
        model.constant.compute(images.to(memory_format=torch.channels_last))
        return len(cases)

    return work


def _keep_rows(model: Model, inputs: Inputs | None, cases: Sequence[Case]) -> int:
    assert inputs is not None
    usable = [Wanted(case) for case, fit in zip(cases, inputs.usable(cases), strict=True) if fit]
    for _, rows in inputs.batches(usable, len(cases)):
        model.constant.compute(rows)
    return len(cases)


def _training(model: Model, plan: Plan) -> Callable[[], int]:
    examples, generator = _examples(model, plan), torch.Generator().manual_seed(0)
    loss = parts.build(plan.loss.target, "loss", plan.loss.options, class_weights=None)
    train, rate = replace(plan.train, epochs=1), 1e-9  # so often repeated, on noise, a real rate could diverge

    def work() -> int:
        train_locally(model.constant.trained, Task(examples, loss, train, rate, generator), _CPU)
        return len(examples.labels)

    return work


def _evaluating(model: Model, plan: Plan) -> Callable[[], int]:
    examples = _examples(model, plan)

    def work() -> int:
        evaluate_split(model.constant.trained, examples, _CPU)
        return len(examples.labels)

    return work


def _examples(model: Model, plan: Plan) -> Examples:
    """Two batches of noise in the shape of what is kept."""
    number = max(_CASES, 2 * plan.train.batch_size)
    noise = torch.randn(number, *model.constant.shape, generator=torch.Generator().manual_seed(0))
    return Examples(noise, torch.arange(number) % len(plan.data.classes))

"""Answers to ``train`` and to ``query.gradient``, summed; with them the evaluations of what the site received.

An update is summed as the difference to what the site received, times its number of cases: the weights of the mean are
in the sum, too. The site shortens the difference, over all tensors together, to ``aggregation.norm``.
"""

from __future__ import annotations

import torch
from flwr.app import MetricRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of
from fedgraft.common.wire import messages
from fedgraft.common.wire.gradient import asks_evaluation
from fedgraft.common.wire.summed import evaluations
from fedgraft.common.wire.summed.kind import POOLED, TENSOR, Arrays, Asked, Totals, of_tensor, scalar, whole
from fedgraft.common.wire.summed.noisy_figures import FIGURES, pack_noisy_figures

_CASES, _LOSS, _LOSS_CASES, _HELD_BACK = "cases", "loss", "loss-cases", "held-back"


class Updates:
    """Of ``train``."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        metrics, received = _metrics(answer), asked.received()
        cases, loss = float(metrics[messages.EXAMPLES]), metrics.get("train-loss")  # type: ignore[arg-type]
        own = messages.unpack_any(messages.unpack_arrays(answer, messages.ARRAYS))
        moved = {name: tensor.double() - received[name].double() for name, tensor in own.items()}
        times = cases * _scale(asked) * _shortening(moved, _norm(asked))
        found = {TENSOR + name: of_tensor((times * moved[name]).to(own[name].dtype)) for name in moved}
        held = config_of(answer, messages.SITE).get(messages.HELD_BACK, 0)
        found[_CASES], found[_HELD_BACK] = scalar(cases), scalar(float(held))  # type: ignore[arg-type]
        found[_LOSS] = scalar(0.0 if loss is None else cases * float(loss))  # type: ignore[arg-type]
        found[_LOSS_CASES] = scalar(0.0 if loss is None else cases)
        return {**found, **evaluations.arrays_of(answer, asked.task, evaluations.IN_ROUNDS)}

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        received, cases = asked.received(), whole(totals[_CASES])
        if not cases:
            raise WireError("the sum of updates is of no case")
        tensors = {}
        for name, moved in _tensors(totals).items():
            new = received[name].double() + moved / (cases * _scale(asked))
            tensors[name] = new.to(received[name].dtype)
        told = whole(totals[_LOSS_CASES]) == cases
        loss = float(totals[_LOSS]) / cases if told else None
        found = evaluations.evaluations_of(totals, asked.task, evaluations.IN_ROUNDS)
        return messages.pack_update(
            messages.Update(
                POOLED, asked.plan.digest, asked.round, tensors, cases, loss, found, whole(totals[_HELD_BACK])
            )
        )


class Gradients:
    """Of ``query.gradient``."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        own, metrics = messages.unpack_any(messages.unpack_arrays(answer, messages.ARRAYS)), _metrics(answer)
        found: Arrays = {TENSOR + name: of_tensor(tensor) for name, tensor in own.items()}
        told = [name for name in (messages.EXAMPLES, _LOSS) if name in metrics]
        found |= {name: scalar(float(metrics[name])) for name in told}  # type: ignore[arg-type]
        if asks_evaluation(asked.content):
            found |= evaluations.arrays_of(answer, asked.task, evaluations.IN_ROUNDS)
        return found

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        precision = next(iter(asked.received().values())).dtype  # weights and gradients travel in the same
        tensors = {name: total.to(precision) for name, total in _tensors(totals).items()}
        loss = {_LOSS: float(totals[_LOSS])} if _LOSS in totals else {}
        metrics = MetricRecord({messages.EXAMPLES: whole(totals[messages.EXAMPLES]), **loss})
        evaluated = {}
        if asks_evaluation(asked.content):
            evaluated = evaluations.evaluations_of(totals, asked.task, evaluations.IN_ROUNDS)
        about = messages.pack_answer(POOLED, asked.plan.digest, asked.round, evaluated)
        return RecordDict({messages.ARRAYS: messages.pack_tensors(tensors), messages.METRICS: metrics, **about})


class Evaluations:
    """Of ``evaluate``."""

    def arrays(self, answer: RecordDict, asked: Asked) -> Arrays:
        if FIGURES in answer:
            told = messages.unpack_any(messages.unpack_arrays(answer, FIGURES))
            return {TENSOR + split: of_tensor(tensor) for split, tensor in told.items()}
        return evaluations.arrays_of(answer, asked.task, evaluations.AT_THE_END)

    def answer(self, totals: Totals, asked: Asked) -> RecordDict:
        if asked.plan.privacy.evaluation:
            return pack_noisy_figures(POOLED, asked.plan.digest, asked.round, _tensors(totals))
        found = evaluations.evaluations_of(totals, asked.task, evaluations.AT_THE_END)
        return messages.pack_answer(POOLED, asked.plan.digest, asked.round, found)


def _tensors(totals: Totals) -> dict[str, Tensor]:
    """The sums of tensors, float64."""
    return {
        name.removeprefix(TENSOR): torch.from_numpy(total) for name, total in totals.items() if name.startswith(TENSOR)
    }


def _scale(asked: Asked) -> float:
    """By which an update is scaled for its words: one number as large as ``aggregation.norm`` fills their range."""
    return asked.plan.aggregation.range / _norm(asked)


def _norm(asked: Asked) -> float:
    """To which a site shortens its update."""
    privacy = asked.plan.privacy
    return privacy.clip if privacy.by_site else asked.plan.aggregation.norm


def _shortening(moved: dict[str, Tensor], norm: float) -> float:
    """The factor, 1 at most, by which an update is as long as ``norm`` at most."""
    length = float(torch.stack([tensor.square().sum() for tensor in moved.values()]).sum().sqrt())
    return min(1.0, norm / length) if length else 1.0


def _metrics(answer: RecordDict) -> MetricRecord:
    metrics = answer.get(messages.METRICS)
    if not isinstance(metrics, MetricRecord):
        raise WireError("the answer comes without metrics")
    return metrics

"""``query.gradient``: shared and given tensors -> a site's loss and its gradient, summed over its training cases.

Weights and gradients travel in the precision that the plan says. Of a matrix whose rows sum to zero the last row is
left out, and is made of the others by the receiver: so are the gradients of all losses of a softmax, and with them the
weights of a fit that started so; of two classes that is half of the numbers. Given tensors come only with the first
question of a round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from flwr.app import ArrayRecord, MetricRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of, is_count
from fedgraft.common.wire import messages
from fedgraft.common.wire.given import add_given
from fedgraft.common.wire.messages import Instruction, Specs

GRADIENT = "query.gradient"
_EVALUATE, _LOSS = "evaluate", "loss"
_ZERO = 1e-5  # of the largest number: rows sum to zero up to the rounding of float32
_WORTH = 64  # numbers from which leaving out a row is worth it


@dataclass(frozen=True)
class Gradient:
    """A site's answer.

    Attributes:
        tensors: the derivative of ``loss`` by each shared tensor, float64, by name.
        loss: the sum over the site's training cases; ``None`` if it is not told (``privacy=record``).
        examples: how many they are.
        evaluations: of the received tensors, by split; empty unless they were asked for.
    """

    site: str
    plan_digest: str
    round: int
    tensors: dict[str, Tensor]
    loss: float | None
    examples: int
    evaluations: dict[str, Evaluation]


def pack_matrices(tensors: Mapping[str, Tensor], precision: str) -> dict[str, Tensor]:
    """Tensors by name in a precision, without the last row of those whose rows sum to zero."""
    found = {}
    for name, tensor in tensors.items():
        some = tensor[:-1] if _sums_to_zero(tensor) else tensor
        found[name] = some.to(getattr(torch, precision))
    return found


def _sums_to_zero(tensor: Tensor) -> bool:
    if tensor.ndim != 2 or len(tensor) < 2 or tensor.numel() < _WORTH:
        return False
    return bool(tensor.sum(dim=0).abs().max() <= _ZERO * tensor.abs().max())


def unpack_matrices(record: ArrayRecord, specs: Specs, precision: str) -> dict[str, Tensor]:
    """The reverse of `pack_matrices`, float64.

    Args:
        specs: of the tensors, as the model has them.

    Raises:
        WireError: names differ, a shape or dtype is wrong, or a number is not finite.
    """
    short = {name for name, spec in specs.items() if name in record and _lacks_a_row(record[name].shape, spec.shape)}
    sent = {
        name: messages.Spec((spec.shape[0] - 1, *spec.shape[1:]) if name in short else spec.shape, precision)
        for name, spec in specs.items()
    }
    found = {name: tensor.double() for name, tensor in messages.unpack_tensors(record, sent).items()}
    return {
        name: torch.cat([tensor, -tensor.sum(dim=0, keepdim=True)]) if name in short else tensor
        for name, tensor in found.items()
    }


def _lacks_a_row(shape: Sequence[int], whole: Sequence[int]) -> bool:
    return len(whole) == 2 and tuple(shape) == (whole[0] - 1, whole[1]) and whole[0] > 1


def pack_gradient_question(
    received: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    plan_digest: str,
    server_round: int,
    class_counts: tuple[int, ...] | None,
    evaluate: bool,
) -> RecordDict:
    """The content of a ``query.gradient`` message.

    Args:
        received: the shared tensors, as `pack_matrices` gives them, by name.
        given: the tensors that are given, as they are; empty after a round's first question.
        evaluate: whether the site should also evaluate these tensors.
    """
    content = messages.pack_evaluate(received, plan_digest, server_round, class_counts)
    config_of(content, messages.CONFIG)[_EVALUATE] = evaluate
    return add_given(content, given)


def asks_evaluation(content: RecordDict) -> bool:
    """Whether a ``query.gradient`` message asks the site to evaluate, too."""
    return config_of(content, messages.CONFIG).get(_EVALUATE) is True


def unpack_gradient_question(content: RecordDict) -> tuple[Instruction, bool]:
    """What a ``query.gradient`` message asks for, and whether to evaluate too.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    evaluate = config_of(content, messages.CONFIG).get(_EVALUATE)
    if not isinstance(evaluate, bool):
        raise WireError("`evaluate` must be true or false")
    return messages.unpack_order(content), evaluate


def pack_gradient(answer: Gradient, precision: str) -> RecordDict:
    """The content of a site's reply to ``query.gradient``."""
    loss = {} if answer.loss is None else {_LOSS: answer.loss}
    return RecordDict(
        {
            messages.ARRAYS: messages.pack_tensors(pack_matrices(answer.tensors, precision)),
            messages.METRICS: MetricRecord({messages.EXAMPLES: answer.examples, **loss}),
            **messages.pack_answer(answer.site, answer.plan_digest, answer.round, answer.evaluations),
        }
    )


def unpack_gradient(content: RecordDict, specs: Specs, precision: str, task: AnyTask) -> Gradient:
    """Read a site's answer.

    Args:
        specs: of the shared tensors, as the model has them.

    Raises:
        WireError: anything is missing, of the wrong shape or type, or not finite.
    """
    site, plan_digest, server_round, evaluations = messages.unpack_answer(content, task)
    metrics = content.get(messages.METRICS)
    if not isinstance(metrics, MetricRecord):
        raise WireError("the gradient comes without metrics")
    examples, loss = metrics.get(messages.EXAMPLES), metrics.get(_LOSS)
    if not is_count(examples) or examples == 0:
        raise WireError("the number of training cases must be a whole number above 0")
    if loss is not None and not (isinstance(loss, float) and math.isfinite(loss)):
        raise WireError("the loss is not a finite number")
    tensors = unpack_matrices(messages.unpack_arrays(content, messages.ARRAYS), specs, precision)
    return Gradient(site, plan_digest, server_round, tensors, loss, int(examples), evaluations)  # type: ignore[arg-type]

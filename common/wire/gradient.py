"""``query.gradient``: shared and given tensors -> a site's loss and its gradient, summed over its training cases.

Shared tensors and gradients are float64: the sum over sites of gradients that are large and opposite, as where each
site has one class, is small, and the rounding of float32 would decide where the fit ends.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from flwr.app import MetricRecord, RecordDict
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.records import config_of, is_count
from fedgraft.common.wire import messages
from fedgraft.common.wire.messages import Instruction, Specs

GRADIENT = "query.gradient"
DTYPE = "float64"
_EVALUATE, _LOSS = "evaluate", "loss"


@dataclass(frozen=True)
class Gradient:
    """A site's answer.

    Attributes:
        tensors: the derivative of ``loss`` by each shared tensor, float64, by name.
        loss: the sum over the site's training cases.
        examples: how many they are.
        evaluations: of the received tensors, by split; empty unless they were asked for.
    """

    site: str
    plan_digest: str
    round: int
    tensors: dict[str, Tensor]
    loss: float
    examples: int
    evaluations: dict[str, Evaluation]


def wide(specs: Specs, given: Collection[str] = ()) -> dict[str, messages.Spec]:
    """The specs of these tensors as they travel here: those in ``given``, without a gradient, as they are."""
    return {name: spec if name in given else replace(spec, dtype=DTYPE) for name, spec in specs.items()}


def pack_gradient_question(
    received: Mapping[str, Tensor],
    plan_digest: str,
    server_round: int,
    class_counts: tuple[int, ...] | None,
    evaluate: bool,
) -> RecordDict:
    """The content of a ``query.gradient`` message.

    Args:
        received: the shared tensors, float64, and those that are given, as they are, by name.
        evaluate: whether the site should also evaluate these tensors.
    """
    content = messages.pack_evaluate(received, plan_digest, server_round, class_counts)
    config_of(content, messages.CONFIG)[_EVALUATE] = evaluate
    return content


def unpack_gradient_question(content: RecordDict) -> tuple[Instruction, bool]:
    """What a ``query.gradient`` message asks for, and whether to evaluate too.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    evaluate = config_of(content, messages.CONFIG).get(_EVALUATE)
    if not isinstance(evaluate, bool):
        raise WireError("`evaluate` must be true or false")
    return messages.unpack_order(content), evaluate


def pack_gradient(answer: Gradient) -> RecordDict:
    """The content of a site's reply to ``query.gradient``."""
    return RecordDict(
        {
            messages.ARRAYS: messages.pack_tensors(answer.tensors),
            messages.METRICS: MetricRecord({messages.EXAMPLES: answer.examples, _LOSS: answer.loss}),
            **messages.pack_answer(answer.site, answer.plan_digest, answer.round, answer.evaluations),
        }
    )


def unpack_gradient(content: RecordDict, specs: Specs, task: AnyTask) -> Gradient:
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
    if not (isinstance(loss, float) and math.isfinite(loss)):
        raise WireError("the loss is not a finite number")
    tensors = messages.unpack_tensors(messages.unpack_arrays(content, messages.ARRAYS), wide(specs))
    return Gradient(site, plan_digest, server_round, tensors, loss, int(examples), evaluations)  # type: ignore[arg-type]

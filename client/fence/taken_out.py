"""Take out of a trained linear head what single patients gave beyond what may leave, without training again.

Plain gradient descent makes an update that is a sum over steps and cases: ``-lr * c_s * dL/d(outputs) * input`` each,
where ``c_s = 1 + mu + ... + mu^(S - s - 1)`` says how often momentum ``mu`` has the gradient of step s (of S) in it. So
a patient's part can be multiplied by a factor afterwards; the others' are what they were.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from fedgraft.client.fence.clipping import factors
from fedgraft.client.fence.units import UnitWatch
from fedgraft.common.plan.sections import TrainSection

_TRIES, _SPARE = 4, 1.001
"""What is shortened for one unit may be missed in another; and a little more is asked for than enough."""


def times_of(train: TrainSection, steps: int) -> Callable[[int], float] | None:
    """How often the gradient of each step, from 0, is in an update of so many; ``None`` if it is not so simple."""
    if train.optimizer != "sgd" or train.weight_decay:
        return None
    mu = train.momentum
    return (lambda step: (1 - mu ** (steps - step)) / (1 - mu)) if mu else (lambda step: 1.0)


def taken_out(
    watch: UnitWatch, least: int, lr: float, weight: Tensor, bias: Tensor, inputs: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor] | None:
    """A head's weight ``(C, F)`` and bias ``(C,)`` after training, with what single patients gave shortened until each
    output rests on at least ``least`` of them, if it can be; and the watch's sums are as if they had given so much.

    Args:
        watch: has seen the training, and each case's part in it (`UnitWatch.by_case`).
        inputs: ``(B,)`` int64 numbers of examples -> ``(B, F)`` float32 what the weights saw of them.

    Returns:
        ``None`` if nobody is shortened.
    """
    for _ in range(_TRIES):
        if not watch.on_few("", least).any():
            break
        shorter = factors(watch.found[""][:-1], least, _SPARE)
        if shorter is None:
            break
        watch.scale(shorter)
    if not watch.shortened:
        return None
    over = 1 - watch.left_of_cases
    cases = over.nonzero().flatten()
    gave = lr * over[cases, None].double() * watch.by_case[cases]
    seen = inputs(cases).double()
    return _with(weight, gave.T @ seen), _with(bias, gave.sum(dim=0))


def _with(tensor: Tensor, more: Tensor) -> Tensor:
    found: Tensor = (tensor.cpu().double() + more).to(tensor.dtype)
    return found

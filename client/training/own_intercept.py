"""A site's own intercept where sites do not train (``strategy=exact``): solved for at the weights that came.

The site's part of the objective is then ``L(W) = min_b (sum of losses at W, b)``, and its gradient by W is that of the
loss at the best b (the envelope theorem): nothing of b has to leave the site.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from fedgraft.client.training.full_batch import FullBatch, SummedLoss
from fedgraft.client.training.loop import LossFunction
from fedgraft.common.heads.linear_shape import BIAS

RIDGE = 1e-3
"""The term ``RIDGE / 2 * cases * |b|^2`` is added to the site's sum: without it, a site of a single class has no
finite best intercept."""
_STEPS, _TOLERANCE, _ENOUGH, _SHORTEST = 50, 1e-9, 1e-4, 1e-6


def at_own_intercept(
    batch: FullBatch, weights: Mapping[str, Tensor], loss: LossFunction, start: Tensor
) -> tuple[SummedLoss, Tensor]:
    """The loss and its gradient by ``weights`` at the site's best intercept, and this intercept.

    Args:
        weights: all the head's parameters but ``bias``, by name; the outputs are linear in them.
        loss: convex in the outputs, in float64.
        start: an intercept to start from, ``(outputs,)``.
    """
    outputs = batch.outputs({**weights, BIAS: torch.zeros_like(start, dtype=torch.float64)})
    fixed = [some.detach() for some in outputs]

    def objective(intercept: Tensor, given: Sequence[Tensor] = fixed) -> Tensor:
        summed = batch.mean_over_views([some + intercept for some in given], loss)
        return summed + RIDGE / 2 * len(batch.labels) * (intercept**2).sum()

    intercept = _minimum(objective, start.double(), _TOLERANCE * len(batch.labels))
    return batch.differentiated(objective(intercept, outputs), outputs, weights), intercept


def _minimum(objective: Callable[[Tensor], Tensor], at: Tensor, tolerance: float) -> Tensor:
    """By Newton's method with step halving (Boyd & Vandenberghe, Convex Optimization, 2004, section 9.5.2)."""
    derivative = torch.func.grad(objective)
    for _ in range(_STEPS):
        slope, value = derivative(at), float(objective(at))
        if float(slope.abs().max()) <= tolerance:
            break
        step = torch.linalg.solve(torch.func.jacrev(derivative)(at), slope)
        length, wanted = 1.0, _ENOUGH * float(slope @ step)
        while length > _SHORTEST and float(objective(at - length * step)) > value - length * wanted:
            length /= 2
        at = at - length * step
    return at

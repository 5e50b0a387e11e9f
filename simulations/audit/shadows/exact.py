"""Shadow heads of ``strategy=exact``: the ridge's optimum of each head's cases, all heads in one descent."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.simulations.audit.heads import Heads, Loss, residuals, summed

_STEPS, _ROUGH, _FINE = 300, 2e-3, 3e-4
_STEADY = 1e-3  # of the mean, so that float32 suffices; more curvature only makes steps shorter
_MORE = 2.0
"""A head of half of the cases may be so much more curved than one of all."""


def fitted(inputs: Tensor, labels: Tensor, keep: Tensor, loss: Loss, ridge: float) -> Heads:
    """Minimise the mean loss over each head's cases with its ridge.

    Nesterov's method with restarts (O'Donoghue & Candes, Found. Comput. Math. 15, 2015): first roughly, for one head of
    all cases, in the coordinates in which a softmax's curvature is bounded by 1 (Boehning, Ann. Inst. Stat. Math. 44,
    1992); then for all heads, in those that the curvature there gives.

    Args:
        inputs: ``(N, F)``.
        keep: ``(B, N)`` bool, whose cases train each head.
        ridge: 0 or more; 0 counts as 1e-6, so that there is one optimum.
    """
    ridge = max(ridge, 1e-6)
    steepest, classes = _steepest(loss), int(labels.max()) + 1
    start = torch.zeros(1, classes, inputs.shape[1] + 1)
    everyone = keep.any(dim=0)[None]
    bound = torch.full((len(inputs),), steepest)
    pilot = _descended(inputs, labels, everyone, loss, ridge, start, _inverse_curvature(inputs, bound, ridge), _ROUGH)
    chances = Heads(pilot[..., :-1], pilot[..., -1]).outputs(inputs)[0].softmax(dim=1)
    curved = steepest * (1 - chances.square().sum(dim=1))
    slowed = _inverse_curvature(inputs, _MORE * curved.clamp(min=float(curved.mean())), ridge)
    found = _descended(inputs, labels, keep, loss, ridge, pilot, slowed, _FINE)
    return Heads(found[..., :-1].contiguous(), found[..., -1].contiguous())


def _descended(
    inputs: Tensor, labels: Tensor, keep: Tensor, loss: Loss, ridge: float, start: Tensor, slowed: Tensor, until: float
) -> Tensor:
    """Weights and biases ``(B, C, F + 1)``, from one head's on, where no part of the slope is above ``until``."""
    count = len(keep)
    share = keep.float() / keep.sum(dim=1, keepdim=True).clamp(min=1)
    now = start.expand(count, -1, -1).clone()
    before, ages = now.clone(), torch.ones(count)
    for _ in range(_STEPS):
        ahead = now + ((ages - 1) / (ages + 2))[:, None, None] * (now - before)
        slope = _slope(inputs, labels, share, loss, ridge, ahead)
        if float(slope.abs().amax()) < until:
            return ahead
        step = ahead - (slope.reshape(-1, slope.shape[2]) @ slowed).reshape(ahead.shape)
        uphill = (slope * (step - now)).sum(dim=(1, 2)) > 0
        ages = torch.where(uphill, torch.ones(count), ages + 1)
        before, now = now, step
    return now


def _slope(inputs: Tensor, labels: Tensor, share: Tensor, loss: Loss, ridge: float, at: Tensor) -> Tensor:
    """The gradient of each head's mean loss with the ridge, ``(B, C, F + 1)``; the bias has none."""
    heads = Heads(at[..., :-1], at[..., -1])
    slopes = residuals(heads.outputs(inputs), labels, loss) * share[..., None]
    found = summed(slopes, inputs)
    return torch.cat([found.weight + ridge * heads.weight, found.bias[..., None]], dim=2)


def _inverse_curvature(inputs: Tensor, curved: Tensor, ridge: float) -> Tensor:
    """The inverse of second derivatives, ``(F + 1, F + 1)``, of which each case gives ``curved`` ``(N,)``."""
    wide = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1) * curved.sqrt()[:, None]
    bound = wide.T @ wide / len(wide)
    bound.diagonal().add_(max(ridge, _STEADY * float(bound.diagonal().mean())))
    return torch.cholesky_inverse(torch.linalg.cholesky(bound))


def _steepest(loss: Loss) -> float:
    """The largest class weight, at least 1: by so much is the loss more curved."""
    buffers = dict(getattr(loss, "named_buffers", lambda: ())())
    return max([1.0, *(float(one.max()) for one in buffers.values() if one.numel())])

"""Shadow heads of federated averaging: each site trains all heads on its part of each head's cases, and means of what
they found, weighted by cases, go into the next round."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.common.plan.sections import TrainSection
from fedgraft.simulations.audit.cases import Pool
from fedgraft.simulations.audit.heads import Heads, Loss, residuals, summed


def averaged(
    pool: Pool,
    keep: Tensor,
    loss: Loss,
    train: TrainSection,
    rates: Sequence[float],
    mu: float,
    start: Heads,
    generator: torch.Generator,
) -> Heads:
    """Rounds of FedAvg (McMahan et al., AISTATS 2017), or FedProx.

    Args:
        keep: ``(B, N)`` bool, whose cases train each head.
        rates: of each round.
        mu: the weight of FedProx's term; 0 for none.
        start: one head, from which all begin.
    """
    count = len(keep)
    heads = Heads(start.weight.expand(count, -1, -1).clone(), start.bias.expand(count, -1).clone())
    places = [(pool.site == site).nonzero().flatten() for site in range(len(pool.sites))]
    for rate in rates:
        weight, bias = torch.zeros_like(heads.weight), torch.zeros_like(heads.bias)
        total = keep.sum(dim=1).clamp(min=1)
        for at in places:
            mine = keep[:, at]
            if not bool(mine.any()):
                continue
            found = _trained(heads, pool.of(at), mine, loss, train, rate, mu, generator)
            share = mine.sum(dim=1) / total
            weight += share[:, None, None] * found.weight
            bias += share[:, None] * found.bias
        heads = Heads(weight, bias)
    return heads


def _trained(
    heads: Heads,
    cases: Pool,
    keep: Tensor,
    loss: Loss,
    train: TrainSection,
    rate: float,
    mu: float,
    generator: torch.Generator,
) -> Heads:
    """One site's training in a round. All heads see its cases in the same order, each leaves out those that are not
    its own, and a step is over so many that a head has about ``batch_size`` of them."""
    weight, bias = heads.weight.clone(), heads.bias.clone()
    steps = _optimizer([weight, bias], train, rate)
    size = round(train.batch_size / max(float(keep.float().mean()), 1e-3))
    for _ in range(train.epochs):
        for batch in torch.randperm(len(cases), generator=generator).split(size):
            some, mine = cases.of(batch), keep[:, batch].float()
            slopes = residuals(Heads(weight, bias).outputs(some.inputs), some.labels, loss)
            found = summed(slopes * (mine / mine.sum(dim=1, keepdim=True).clamp(min=1))[..., None], some.inputs)
            weight.grad = found.weight + mu * (weight - heads.weight)
            bias.grad = found.bias + mu * (bias - heads.bias)
            steps.step()
    return Heads(weight, bias)


def _optimizer(weights: list[Tensor], train: TrainSection, rate: float) -> torch.optim.Optimizer:
    if train.optimizer == "sgd":
        return torch.optim.SGD(weights, rate, train.momentum, weight_decay=train.weight_decay)
    return torch.optim.AdamW(weights, rate, weight_decay=train.weight_decay)

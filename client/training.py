"""The local loop: some epochs over the site's training cases, starting from what the coordinator sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from fedgraft.client.cohort import Examples
from fedgraft.common.errors import PlanError
from fedgraft.common.schema import Train

LossFunction = Callable[[Tensor, Tensor], Tensor]


def learning_rate(train: Train, server_round: int, rounds: int) -> float:
    """The rate of round ``server_round`` (1-based) of ``rounds``: constant, or half a cosine from ``lr`` towards 0."""
    if train.schedule == "constant":
        return train.lr
    return train.lr * 0.5 * (1 + math.cos(math.pi * (server_round - 1) / rounds))


def train_locally(
    network: nn.Module,
    examples: Examples,
    loss_function: LossFunction,
    train: Train,
    lr: float,
    generator: torch.Generator,
    device: torch.device,
    proximal: tuple[float, Mapping[str, Tensor]] = (0.0, {}),
) -> float:
    """Train in place every parameter of ``network`` that requires a gradient.

    Args:
        examples: at least one case.
        generator: draws the order of the cases.
        proximal: FedProx's ``mu``, and the parameters (by name in ``network``) to stay near to: the loss gains
            ``mu / 2 * sum |w - w_received|^2`` (Li et al., MLSys 2020, equation 2).

    Returns:
        the mean loss per case over all epochs, without the proximal term.

    Raises:
        PlanError: the loss became infinite or not a number.
    """
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    optimizer = _optimizer(list(trained.values()), train, lr)
    mu, received = proximal
    anchors = [(trained[name], received[name].to(device)) for name in trained if name in received] if mu else []
    network.train()
    total, seen = 0.0, 0
    for _ in range(train.epochs):
        order = torch.randperm(len(examples.labels), generator=generator)
        for batch in _batches(order, train.batch_size):
            optimizer.zero_grad(set_to_none=True)
            logits = network(examples.inputs[batch].to(device))
            loss = loss_function(logits, examples.labels[batch].to(device))
            penalty = sum(((w - a) ** 2).sum() for w, a in anchors)
            (loss + mu / 2 * penalty).backward()
            optimizer.step()
            total += float(loss.detach()) * len(batch)
            seen += len(batch)
    network.eval()
    if not math.isfinite(total):
        raise PlanError(f"training diverged: the loss is not finite with train.lr={lr:g}; lower train.lr")
    return total / seen


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches of ``size``; a last one of a single case joins the one before (batch norm needs two)."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _optimizer(parameters: list[nn.Parameter], train: Train, lr: float) -> torch.optim.Optimizer:
    if train.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr, train.momentum, weight_decay=train.weight_decay)
    return torch.optim.AdamW(parameters, lr, weight_decay=train.weight_decay)

"""AdaBN (Li et al., ICLR workshop 2017, arXiv 1603.04779): batch norm with the statistics of the new hospital."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedgraft.common.adaptation.batch_norm import batch_norms
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.test_time import Adapting


@dataclass
class _Moments:
    """Count, mean and sum of squared deviations per channel, merged batch by batch without loss (Chan et al. 1979).

    ``mean`` and ``m2``: ``(C,)`` float64.
    """

    count: int
    mean: Tensor
    m2: Tensor

    def add(self, inputs: Tensor) -> None:
        """``inputs``: ``(B, C, *)``; every place of every case is one value of its channel."""
        values = inputs.detach().transpose(0, 1).flatten(1).double()
        count, mean = values.shape[1], values.mean(1)
        total, away = self.count + count, mean - self.mean
        self.m2 += ((values - mean[:, None]) ** 2).sum(1) + away**2 * (self.count * count / total)
        self.mean += away * (count / total)
        self.count = total


class AdaBN(Adapting):
    """Replace every batch norm's running mean and variance by those of the site's own cases; nothing is trained.

    The norms are set in the order in which the network comes to them, an equal share of them in each pass: to the
    exact mean and (unbiased) variance, over all cases, of what they take. Those that were set before normalise by that,
    all others by each batch's own statistics. So one pass is right up to how batches differ, with one batch of all
    cases it is right for good, and so are as many passes as there are norms, which is the most that are made.

    Args:
        passes: over the site's training inputs.

    Raises:
        PlanError: ``passes`` is below 1.
    """

    def __init__(self, passes: int) -> None:
        if passes < 1:
            raise PlanError(f"adapt.passes={passes} must be 1 or more; without it use adapt=none")
        self.passes = passes

    def require_effect(self, network: nn.Module) -> None:
        if not batch_norms(network):
            raise PlanError(
                "adapt=adabn has no effect: the network has no batch norm with running statistics; use adapt=none, or "
                "a backbone with batch norm"
            )

    def __call__(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        self.require_effect(network)
        waiting, left = batch_norms(network), self.passes
        network.eval()
        while waiting:
            with torch.no_grad(), _by_batch(waiting.values()), _watched(waiting) as moments:
                for batch in batches:
                    network(batch)
            share = -(-len(waiting) // left)
            left -= 1
            for path in [*moments, *(path for path in waiting if path not in moments)][:share]:
                _set(waiting.pop(path), moments.get(path))


def _set(norm: _BatchNorm, found: _Moments | None) -> None:
    """As torch does: the running variance is the unbiased one. A norm that no case passed keeps what it has."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if found is not None:
        norm.running_mean.copy_(found.mean)
        norm.running_var.copy_(found.m2 / (found.count - 1))


@contextmanager
def _by_batch(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Within the block these norms use each batch's own statistics, and keep their running ones."""
    before = [(norm, norm.momentum) for norm in norms]
    for norm, _ in before:
        norm.train()
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in before:
            norm.eval()
            norm.momentum = momentum


@contextmanager
def _watched(norms: Mapping[str, _BatchNorm]) -> Iterator[dict[str, _Moments]]:
    """Within the block, the moments of what each norm takes, in the order in which the network comes to the norms."""
    moments: dict[str, _Moments] = {}

    def adding(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def add(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            moments.setdefault(path, _empty(inputs[0])).add(inputs[0])

        return add

    with ExitStack() as stack:
        for path, norm in norms.items():
            stack.callback(norm.register_forward_pre_hook(adding(path)).remove)
        yield moments


def _empty(inputs: Tensor) -> _Moments:
    zeros = torch.zeros(inputs.shape[1], dtype=torch.float64, device=inputs.device)
    return _Moments(0, zeros, zeros.clone())

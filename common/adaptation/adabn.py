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
    """Count, mean and sum of squared deviations per channel, updated exactly batch by batch (Chan et al. 1979).

    ``count``: values per channel. ``mean`` and ``m2`` (the squared deviations): ``(C,)`` float64.
    """

    count: int
    mean: Tensor
    m2: Tensor

    def add(self, inputs: Tensor) -> None:
        """Add a batch ``(B, C, *)``; every position of every case is one value of its channel."""
        values = inputs.detach().transpose(0, 1).flatten(1).double()
        count, mean = values.shape[1], values.mean(1)
        total, difference = self.count + count, mean - self.mean
        self.m2 += ((values - mean[:, None]) ** 2).sum(1) + difference**2 * (self.count * count / total)
        self.mean += difference * (count / total)
        self.count = total


class AdaBN(Adapting):
    """Replace every batch norm's running mean and variance by those of the site's own cases; nothing is trained.

    Each pass over the cases sets an equal share of the norms, in forward order, to the exact mean and unbiased variance
    of their inputs over all cases. In a pass, norms that are already set normalise by these statistics, all others by
    those of each batch. The result is exact with one batch of all cases, or with one pass per norm (no more passes than
    that are made); with fewer passes it is off by as much as batches differ.

    Args:
        passes: how often the site's training inputs are run through the network.

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
            with torch.no_grad(), _batch_statistics(waiting.values()), _input_moments(waiting) as moments:
                for batch in batches:
                    network(batch)
            share = -(-len(waiting) // left)
            left -= 1
            for path in [*moments, *(path for path in waiting if path not in moments)][:share]:
                _set(waiting.pop(path), moments.get(path))


def _set(norm: _BatchNorm, found: _Moments | None) -> None:
    """Set the running mean and, as torch does, the unbiased variance. A norm without inputs (``None``) is unchanged."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if found is not None:
        norm.running_mean.copy_(found.mean)
        norm.running_var.copy_(found.m2 / (found.count - 1))


@contextmanager
def _batch_statistics(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """Within the block these norms normalise by each batch's statistics; their running statistics do not change."""
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
def _input_moments(norms: Mapping[str, _BatchNorm]) -> Iterator[dict[str, _Moments]]:
    """Collect, within the block, the moments of each norm's inputs; in the order in which the norms are called."""
    moments: dict[str, _Moments] = {}

    def hook_of(path: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            moments.setdefault(path, _empty(inputs[0])).add(inputs[0])

        return hook

    with ExitStack() as stack:
        for path, norm in norms.items():
            stack.callback(norm.register_forward_pre_hook(hook_of(path)).remove)
        yield moments


def _empty(inputs: Tensor) -> _Moments:
    zeros = torch.zeros(inputs.shape[1], dtype=torch.float64, device=inputs.device)
    return _Moments(0, zeros, zeros.clone())

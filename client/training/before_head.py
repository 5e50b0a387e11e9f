"""Compute the features that enter a network's head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.evaluation import predict


def head_of(network: nn.Module) -> nn.Module:
    """A network's head; a network that is trained on kept features is itself the head."""
    head: nn.Module = getattr(network, "head", network)
    return head


@contextmanager
def watching(network: nn.Module, see: Callable[[Tensor], object]) -> Iterator[None]:
    """Within the block, call ``see`` with the head's input ``(B, F)`` at each forward pass."""

    def note(module: nn.Module, given: tuple[Tensor]) -> None:
        see(given[0])

    handle = head_of(network).register_forward_pre_hook(note)
    try:
        yield
    finally:
        handle.remove()


def features_before_head(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """The head's input for each case (view 0), in eval mode: ``(N, F)`` float32 on the CPU; at least one case."""
    return _over_cases(network, examples, device, lambda features: features)


def inputs_of_weights(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """`features_before_head` after the head's own ``inputs`` (normalisation, for instance), if it has this method."""
    change: Callable[[Tensor], Tensor] | None = getattr(head_of(network), "inputs", None)
    return _over_cases(network, examples, device, change or (lambda features: features))


def _over_cases(
    network: nn.Module, examples: Examples, device: torch.device, change: Callable[[Tensor], Tensor]
) -> Tensor:
    seen: list[Tensor] = []
    with watching(network, lambda features: seen.append(change(features).cpu())):
        predict(network, examples, device)
    return torch.cat(seen)

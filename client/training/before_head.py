"""What a network's head takes of each case: the features before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.evaluation import predict


def head_of(network: nn.Module) -> nn.Module:
    """A network's head; what is trained on kept features is the head itself."""
    head: nn.Module = getattr(network, "head", network)
    return head


@contextmanager
def watching(network: nn.Module, see: Callable[[Tensor], object]) -> Iterator[None]:
    """Within the block ``see`` is shown what the head takes, ``(B, F)``, each time that the network is called."""

    def note(module: nn.Module, given: tuple[Tensor]) -> None:
        see(given[0])

    handle = head_of(network).register_forward_pre_hook(note)
    try:
        yield
    finally:
        handle.remove()


def features_before_head(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """``(N, F)`` float32 on the CPU: what the head takes of each case as it is, in eval mode; at least one case."""
    return _over_cases(network, examples, device, lambda features: features)


def inputs_of_weights(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """`features_before_head`, as the head's ``inputs`` changes them before its weights see them, if it has any."""
    change: Callable[[Tensor], Tensor] | None = getattr(head_of(network), "inputs", None)
    return _over_cases(network, examples, device, change or (lambda features: features))


def _over_cases(
    network: nn.Module, examples: Examples, device: torch.device, change: Callable[[Tensor], Tensor]
) -> Tensor:
    taken: list[Tensor] = []
    with watching(network, lambda features: taken.append(change(features).cpu())):
        predict(network, examples, device)
    return torch.cat(taken)

"""Compute the features that enter a network's head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.evaluation import predict

AT_ONCE = 16_000_000
"""Numbers of the head's inputs that are held as float64 at the same time: 128 MB."""
_MOST_HELD = 256_000_000
"""Numbers of the head's inputs that are held as float32: 1 GB."""


@dataclass(frozen=True)
class ReadAgain:
    """The head's inputs of so many cases that they are read from kept rows again for each use.

    Attributes:
        shape: ``(N, F)``.
        read: cases ``(B,)`` int64 -> their inputs ``(B, F)`` float32.
    """

    shape: tuple[int, int]
    read: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Tensor:
        return self.read(torch.arange(*rows.indices(len(self))))


HeadInputs = Tensor | ReadAgain
"""``(N, F)`` float32 on the CPU; a slice of it is a tensor."""


def parts_of(inputs: HeadInputs) -> Iterator[Tensor]:
    """The inputs of some cases after those of others, each of at most `AT_ONCE` numbers."""
    size = cases_at_once(inputs)
    for start in range(0, len(inputs), size):
        yield inputs[start : start + size]


def cases_at_once(inputs: HeadInputs) -> int:
    """Of how many cases inputs are at most `AT_ONCE` numbers."""
    return max(1, AT_ONCE // inputs.shape[1])


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
    return _over_cases(network, examples, device, _as_they_are)


def inputs_of_weights(network: nn.Module, examples: Examples, device: torch.device) -> Tensor:
    """`features_before_head` after the head's own ``inputs`` (normalisation, for instance), if it has this method."""
    return _over_cases(network, examples, device, _change(network))


def inputs_to_use(network: nn.Module, examples: Examples, device: torch.device, changed: bool) -> HeadInputs:
    """The head's inputs, which are read again for each use if a network that is the head would hold too many.

    Args:
        changed: as `inputs_of_weights`, or else as `features_before_head`.
    """
    change = _change(network) if changed else _as_they_are

    def read(cases: Tensor) -> Tensor:
        with torch.no_grad():
            return change(examples.batch(cases).to(device)).cpu()

    if head_of(network) is network:
        width = read(torch.zeros(1, dtype=torch.int64)).flatten(1).shape[1]
        if len(examples) * width > _MOST_HELD:
            return ReadAgain((len(examples), width), read)
    return _over_cases(network, examples, device, change)


def _change(network: nn.Module) -> Callable[[Tensor], Tensor]:
    change: Callable[[Tensor], Tensor] | None = getattr(head_of(network), "inputs", None)
    return change or _as_they_are


def _as_they_are(features: Tensor) -> Tensor:
    return features


def _over_cases(
    network: nn.Module, examples: Examples, device: torch.device, change: Callable[[Tensor], Tensor]
) -> Tensor:
    seen: list[Tensor] = []
    with watching(network, lambda features: seen.append(change(features).cpu())):
        predict(network, examples, device)
    return torch.cat(seen)

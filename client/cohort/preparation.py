"""From decoded cases to a network's inputs as a module of torch, which can be exported with the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor, nn

from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class Preparation:
    """The preparation of decoded cases.

    Attributes:
        name: of the tensor of decoded cases (``images``).
        module: decoded cases ``(B, ...)`` -> inputs ``(B, *spec.shape)`` float32.
        ours: the same by the code that prepares cases at a site, as the reference.
        samples: random decoded cases of several sizes, two or more in the first.
        sizes: names of the dimensions besides the batch that may have any size, by place.
        said: what decoded cases must be, for people and programs, by key.
    """

    name: str
    module: nn.Module
    ours: Callable[[Tensor], Tensor]
    samples: Callable[[Generator], Sequence[Tensor]]
    sizes: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    said: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@runtime_checkable
class PreparesInTorch(Protocol):
    """A `fedgraft.client.cohort.inputs.InputFactory` whose preparation can be exported."""

    def preparation(self, plan: Plan, kind: InputKind, trusted: tuple[str, ...]) -> Preparation:
        """The preparation of a plan's cases."""

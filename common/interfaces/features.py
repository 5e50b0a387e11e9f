"""Where a backbone is read: what a plan's ``features._target_`` must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from fedgraft.common.interfaces.adaptation import Stage


@runtime_checkable
class Reading(Protocol):
    """Reads some modules of one backbone; features are the vectors of all of them, one after another."""

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of the modules, in the order of their vectors."""

    def vector(self, module: str, output: Tensor) -> Tensor:
        """What is kept of a module's output ``(B, ...)``: ``(B, k)`` float32, row i from case i alone."""


@runtime_checkable
class ReadsBackbone(Protocol):
    """Chooses what to read of a backbone; without it, features are the backbone's own output."""

    def reading(self, backbone: nn.Module, stages: tuple[Stage, ...]) -> Reading:
        """
        Raises:
            PlanError: an option does not suit this backbone.
        """


@dataclass(frozen=True)
class Group:
    """Neighbouring features that come from one module: its name, and how many there are."""

    name: str
    width: int

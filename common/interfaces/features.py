"""Where a backbone is read: what a plan's ``features._target_`` must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.inputs import Hashing


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


@runtime_checkable
class PoolsStages(Protocol):
    """A backbone that pools what its stages give by itself, since a case has as many positions as it has words."""

    def pooled(self, output: Tensor, statistics: tuple[str, ...]) -> Tensor:
        """Statistics over the positions of each case, one after another, ``(B, k)``.

        Args:
            output: of one of its stages, in the forward pass that goes on or went last.

        Raises:
            PlanError: it does not have one of the statistics.
        """


HASHED = "hashed"
"""The path of the module of a text network through which hashed words pass."""


@runtime_checkable
class ReadsHashed(Protocol):
    """A `ReadsBackbone` that wants hashed words beside what the stages give."""

    @property
    def hashing(self) -> Hashing: ...


@dataclass(frozen=True)
class Group:
    """Neighbouring features that come from one module: its name, and how many there are.

    ``comparable``: over cases and sites by themselves, so that ``features.scale`` leaves them as they are; such groups
    are the last.
    """

    name: str
    width: int
    comparable: bool = False

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


@runtime_checkable
class PoolsWindows(Protocol):
    """A backbone that sees a case in windows, one after another, and pools what its stages give in each of them."""

    def in_windows(self, output: Tensor, statistics: tuple[str, ...], most: int) -> Tensor:
        """Statistics over the positions of each window: ``(B, most, k)``, 0 where a case has no more windows.

        Of a case with more windows than ``most``, neighbours are pooled as one, evenly, so that nothing is left out.

        Args:
            output: as `PoolsStages.pooled`.

        Raises:
            PlanError: it does not have one of the statistics.
        """

    def windows_there(self, most: int) -> Tensor:
        """Which of them a case has, ``(B, most)`` float32: 1 or 0, in the forward pass that goes on or went last."""


WINDOWS = "windows"
"""The path of the module of a text network through which the number of each note's windows passes."""
HASHED = "hashed"
"""The path of the module of a text network through which hashed words pass."""


BAG = "bag"
"""The argument by which a head asks how the instances that it weighs lie."""


@dataclass(frozen=True)
class Bag:
    """How the features of a case lie that are a bag of instances (windows of a note, say) and not one vector.

    First, for each group, its numbers of each instance, one instance after another; then numbers of the whole case;
    last whether each instance is there, 1 or 0. Those of an instance that is not there are 0.

    Attributes:
        instances: the most of a case.
        widths: numbers of an instance, by group.
        beside: numbers of the whole case.
    """

    instances: int
    widths: tuple[int, ...]
    beside: int = 0

    @property
    def numbers(self) -> int:
        """Of an instance."""
        return sum(self.widths)


@runtime_checkable
class ReadsInstances(Protocol):
    """A `Reading` whose features are a `Bag`, of as many instances; the last of its modules gives which are there."""

    @property
    def instances(self) -> int: ...


@runtime_checkable
class KeepsWindows(Protocol):
    """A `ReadsBackbone` that keeps windows apart, ``most`` of a case; of a case with more, neighbours are pooled."""

    @property
    def most(self) -> int: ...


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

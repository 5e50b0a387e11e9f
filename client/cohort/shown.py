"""What a kind of inputs can show of a case to people, beside what the network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Inputs


@runtime_checkable
class Pictured(Inputs, Protocol):
    """Inputs that are images, whose positions are those of the network's input."""

    def harmonised(self, cases: Sequence[Case]) -> list[Tensor]:
        """The images of usable cases, ``(1 or 3, S, S)`` float32 in [0, 1] each, 1 = white."""


@dataclass(frozen=True)
class StandIn:
    """A column of a case (or a word of a note), and what to compare it with.

    Attributes:
        cell: its own, for people.
        rows: the case's encoded row with other cells in this column, ``(K, F)`` float32: its mean, or each category;
            the note without the word or window.
    """

    column: str
    cell: str
    rows: Tensor


@runtime_checkable
class InColumns(Inputs, Protocol):
    """Inputs that are rows of a table, or notes of words."""

    @property
    def compared(self) -> str:
        """What a case's score is compared with, in words, behind "the network's log odds, minus"."""

    def stand_ins(self, case: Case, row: Tensor) -> list[StandIn]:
        """A usable case's columns.

        Args:
            row: as encoded, ``(1, F)`` float32.
        """

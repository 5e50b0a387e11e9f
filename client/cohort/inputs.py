"""Where the inputs of a network come from: a room of this floor for each kind of input, all with one face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.site.limits import Rules
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.interfaces.input_kind import InputKind, Statistics
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan

Progress = Callable[[int], None]


def ignore(cases: int) -> None:
    """The `Progress` that shows nothing."""


class CaseView(NamedTuple):
    """One view of one case; view 0 is the case as it is."""

    case: Case
    view: int = 0


class Inputs(Protocol):
    """Cases as a network takes them."""

    @property
    def fingerprint(self) -> str:
        """Changes with everything that shapes an input, besides the case and the view."""

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases of a manifest's lines: a line that names a series, for instance, is several."""

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        """Of each case: 0 if it is usable, else the number of its reason (`fedgraft.client.cohort.quarantine`)."""

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes] | None:
        """Equal for cases that look the same; ``None`` if that means nothing, as for the rows of a table."""

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """32 bytes each: the case's content and all that shapes it, and the view. Only for usable cases."""

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """Which part of ``wanted``, and its inputs, ``(B, *spec.shape)`` float32; at most ``batch`` at once."""


@runtime_checkable
class TellsStatistics(Inputs, Protocol):
    """Inputs of a kind that asks sites for statistics before the first round."""

    def tell(self, train: Sequence[Case], permission: ReleasePolicy) -> Statistics:
        """What may leave the site of its training cases, all of them usable."""


@dataclass(frozen=True)
class InputContext:
    """What a cohort's inputs depend on.

    Attributes:
        plan: what a case becomes.
        trusted: packages from which parts may come.
        store: where what is seen of the cases is kept.
        rules: what a file may cost and be.
        workers: processes that decode files; ``None`` is one per core.
        decoded: is told how many cases were read, as it happens.
    """

    plan: Plan
    trusted: tuple[str, ...]
    store: Store
    rules: Rules = field(default_factory=Rules)
    workers: int | None = None
    decoded: Progress = ignore

    @property
    def kind(self) -> InputKind:
        return kind_of(self.plan, self.trusted)


def site_context(plan: Plan, site: SiteFile, store: Store, decoded: Progress = ignore) -> InputContext:
    """The context of a site's own cases."""
    return InputContext(plan, site.trusted, store, site.rules, site.workers, decoded)


@runtime_checkable
class InputRoom(Protocol):
    """How a site reads one kind of input. Made without arguments, once in a process: what it holds of files is shared
    by all sites there."""

    def inputs(self, context: InputContext) -> Inputs:
        """The inputs of a cohort, as a plan wants them."""


Rooms = dict[str, InputRoom]
"""The rooms that are open in this process, by dotted path."""


def room_of(kind: InputKind, trusted: tuple[str, ...], rooms: Rooms | None = None) -> InputRoom:
    """The room that reads a kind of input.

    Args:
        rooms: where an open one is found, and a new one is kept.

    Raises:
        PlanError: it is not in an allowed package, or is none.
    """
    path = kind.facts().room
    made: Callable[[], InputRoom] = parts.resolve(path, "input", trusted, InputRoom)
    open_ = Rooms() if rooms is None else rooms
    if path not in open_:
        open_[path] = made()
    return open_[path]

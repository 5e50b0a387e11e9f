"""The interface of a network's inputs at a site, and of the factory that makes them for each kind of input."""

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
    """One view of one case; view 0 is the unchanged case."""

    case: Case
    view: int = 0


class Inputs(Protocol):
    """The cases of a cohort as a network's inputs."""

    @property
    def fingerprint(self) -> str:
        """Changes with everything that inputs depend on besides the case and the view."""

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases of a manifest's lines, of which some (those that name a series, for instance) may be several."""

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        """``(N,)``: 0 for a usable case, else the number of the reason (`fedgraft.client.cohort.quarantine`)."""

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes] | None:
        """Digests that are equal for duplicates; ``None`` if equal cases are no duplicates, as for rows of a table."""

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """Digests (32 bytes each) of a case's content, of all that its input depends on, and of the view. Only for
        usable cases."""

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """Batches of at most ``batch`` inputs: ``(slice of wanted, (B, *spec.shape) float32)``."""


@runtime_checkable
class Remarks(Inputs, Protocol):
    """Inputs of a kind of which something may be said that makes no case unusable."""

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """Sentences on all cases together, which name none of them."""


@runtime_checkable
class Outlying(Inputs, Protocol):
    """Inputs of a kind of which it can be told that a case's own values are far from all that the hospitals had."""

    OUTLYING: str
    """What such a case has, in words, to be counted by."""

    def outlying(self, cases: Sequence[Case]) -> list[tuple[str, ...]]:
        """Of each case, all usable, what is far, in words; empty if nothing is."""


class Account(Protocol):
    """What a site has told before (`fedgraft.client.cohort.enrolment.enrolled.Enrolled`)."""

    def may(self, family: str, quantity: str, *groups: Sequence[Case]) -> bool:
        """Whether sums over each of some groups of cases may leave; they are noted if so.

        Args:
            family: of quantities that can be subtracted from each other.
            quantity: its name within the family.
        """


@runtime_checkable
class TellsStatistics(Inputs, Protocol):
    """Inputs of a kind for which sites send statistics before the first round."""

    def tell(self, train: Sequence[Case], permission: ReleasePolicy, account: Account) -> Statistics:
        """The statistics of the training cases (all usable) that may leave the site."""


@dataclass(frozen=True)
class InputContext:
    """What a cohort's inputs depend on.

    Attributes:
        plan: determines how a case becomes an input.
        trusted: packages from which parts may come.
        store: where decoded cases are kept.
        rules: the site's rules for reading files.
        workers: processes that decode files; ``None`` for one per core.
        decoded: called with the number of cases that were read, as it happens.
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
class InputFactory(Protocol):
    """Makes the inputs of one kind at a site. Built without arguments, once per process; all sites of the process share
    the files that it has read."""

    def inputs(self, context: InputContext) -> Inputs:
        """Make the inputs of a cohort."""


Factories = dict[str, InputFactory]
"""The factories that exist in this process, by dotted path."""


def factory_of(kind: InputKind, trusted: tuple[str, ...], factories: Factories | None = None) -> InputFactory:
    """The factory of a kind's inputs.

    Args:
        factories: existing factories, to which a new one is added.

    Raises:
        PlanError: the kind's factory is not in an allowed package, or is no `InputFactory`.
    """
    path = kind.facts().factory
    made: Callable[[], InputFactory] = parts.resolve(path, "input", trusted, InputFactory)
    existing = Factories() if factories is None else factories
    if path not in existing:
        existing[path] = made()
    return existing[path]

"""What a task is: all that differs between classification, multi-label findings and survival."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

Scalar = float | None


Scheme = Literal["inverse", "square_root", "effective"]


class Labelled(Protocol):
    """What a task reads of a case, as a manifest's line says it (`fedgraft.client.cohort.case.Case`)."""

    @property
    def label(self) -> str:
        """The cell under ``label``; empty if there is none."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and cell of the manifest's other columns."""

    def column(self, name: str) -> str | None:
        """The cell of another column; ``None`` if the manifest does not have it."""


@dataclass(frozen=True)
class Cell:
    """What a manifest's cell must be for a task.

    Attributes:
        column: its name.
        fits: whether a cell, without space around it, can be used.
        what: must be, in words.
        words: all cells that fit, if they can be listed.
    """

    column: str
    fits: Callable[[str], bool]
    what: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a case may have, for people: a class, a finding, an event.

    ``of[i]``: whether case i has it; ``None`` = unknown, or what the manifest says can't be used.
    """

    name: str
    of: tuple[bool | None, ...]

    def count(self, having: bool | None, among: Sequence[int]) -> int:
        """How many of the cases at these positions have it, have it not, or are unknown."""
        return sum(self.of[at] is having for at in among)


class Evaluation(Protocol):
    """How a network did on one set of cases, as sums: those of several sites can be merged, and none names a case."""

    @property
    def cases(self) -> int:
        """How many cases were evaluated."""

    @property
    def prevalence(self) -> Scalar:
        """How common it is what is looked for: a share of the cases."""

    def figures(self) -> dict[str, Scalar]:
        """The task's `Task.figures`; ``None`` = undefined, for instance AUROC over cases of one class."""

    def details(self) -> dict[str, Any]:
        """More for ``summary.json`` than the figures, as JSON; empty if there is no more."""

    def releasable(self, min_count: int) -> Self | None:
        """What of it may leave a site that releases nothing about fewer than ``min_count`` cases."""

    def pack(self) -> ConfigRecord:
        """As it travels; `Task.unpack` reads it."""


E = TypeVar("E", bound=Evaluation)


class Task(Protocol[E]):
    """One way of learning from labelled cases: built from the plan's ``data.classes``.

    Labels are a tensor with one row for each case, as `targets` gives them; outputs are what the network gives,
    ``(N, outputs)`` float32.
    """

    # --- what a plan asks

    @property
    def name(self) -> str:
        """As in ``data.task``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """As in ``data.classes``."""

    @property
    def problem(self) -> str:
        """What is wrong with ``data.classes``, and what to set; empty if nothing."""

    @property
    def outputs(self) -> int:
        """Numbers that the network gives for each case."""

    @property
    def one_class_per_case(self) -> bool:
        """Whether labels are ``(N,)`` int64, the number of each case's one class: sampling, sums by class and alignment
        by class go by it."""

    @property
    def has_classes(self) -> bool:
        """Whether there are classes or findings that a loss can weigh, and of which a site can have none."""

    @property
    def whole_batches(self) -> bool:
        """Whether the loss compares cases of a batch, so that a batch as large as the cohort is no mistake."""

    @property
    def not_mixable(self) -> str:
        """Why half of one case and half of another have no label, in words; empty if they have."""

    @property
    def loss(self) -> str:
        """The choice of ``conf/loss`` that suits."""

    @property
    def counting(self) -> str:
        """The `counts` in words, for ``fedgraft plan``."""

    @property
    def leaving(self) -> str:
        """What an evaluation tells, in words, for ``fedgraft plan``."""

    # --- cases and their labels

    @property
    def reads_label(self) -> bool:
        """Whether the manifest's ``label`` says what is predicted."""

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """The manifest's other columns that say what is predicted."""

    def cells(self) -> tuple[Cell, ...]:
        """What the cells of these columns must be, ``label`` among them."""

    def found_classes(self, cases: Sequence[Labelled]) -> dict[str, int]:
        """The classes that stand in the cases, with their numbers, in the order of ``data.classes``; empty if the task
        has none.

        Raises:
            PlanError: they can't be found, and have to be named.
            DataError: what stands there can't be classes.
        """

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        """The labels of cases.

        Raises:
            DataError: a column is missing, or a cell is not what it must be; says how many cases are wrong, never what
                they hold.
        """

    def has(self, case: Labelled) -> tuple[str, ...]:
        """What a case has of that which a site's training cases should have at least once; a cell that can't be used is
        as good as none."""

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        """The stratum of each unit (cases that stay together): splits and label skew deal each stratum by itself."""

    # --- a cohort, for people

    @property
    def may_be_unknown(self) -> bool:
        """Whether the manifest may leave open if a case has an outcome."""

    @property
    def unusable(self) -> str:
        """What is wrong with a case that `unreadable` counts, in words: "a label that ..."."""

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        """What the cases have; also of cases that are `unreadable`."""

    def unreadable(self, cases: Sequence[Labelled]) -> list[int]:
        """The positions of the cases that `targets` refuses."""

    def resembles_outcome(self, cells: Sequence[str]) -> bool:
        """Whether a column with these cells looks like one that the task could predict, but this plan does not."""

    def shortages(self, outcomes: Sequence[Outcome], among: Sequence[int], split: str) -> list[tuple[str, str]]:
        """What a split has too few cases of, and what would help, a pair of sentences each.

        Args:
            outcomes: with names as people may be shown them.
            among: the split's cases.
            split: ``train``, ``val`` or ``test``.
        """

    # --- training

    def mask(self, outputs: Tensor, labels: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and labels of a batch with which a loss teaches nothing of what a site lacks.

        Args:
            learnable: ``(outputs,)`` bool, as `learnable` gives it.
        """

    def divergence(self, teacher: Tensor, student: Tensor, learnable: Tensor) -> Tensor:
        """How far the student is from what the teacher knew of what a site lacks; a scalar, in nats, mean over cases.

        Args:
            teacher, student: outputs of the same cases.
            learnable: ``(outputs,)`` bool, not all of it true.
        """

    def some_labels(self, cases: int) -> Tensor:
        """Labels that cases could have: to measure what a step costs."""

    # --- counts of training cases

    @property
    def counts(self) -> tuple[str, ...]:
        """The names of the counts of training cases that a site offers."""

    def count(self, labels: Tensor) -> tuple[int, ...]:
        """One number for each of `counts`."""

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        """Whether so many cases can have these counts."""

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """What of the counts may leave a site; ``None`` = nothing."""

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """For each output, whether a site with these counts has the cases to learn it from."""

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        """The ``class_weights`` of a loss, float32, from counts (`fedgraft.common.tasks.weights`).

        Raises:
            PlanError: no case is counted, or the task has no weights.
        """

    def weighs_alike(self, counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> bool:
        """Whether `weights` would change nothing, as far as these counts tell."""

    # --- evaluation

    @property
    def headline(self) -> str:
        """The figure by which plots and the worst site go; larger is better."""

    @property
    def undefined(self) -> str:
        """When the headline figure is undefined, in words."""

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of an evaluation's figures."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The figures that a table shows, and their headings."""

    def evaluate_parts(self, outputs: NDArray[np.floating], labels: NDArray[Any], sizes: Sequence[int]) -> list[E]:
        """Evaluate consecutive parts, scored at once; ``sizes`` of the parts sum to N."""

    def merge(self, parts: Sequence[E]) -> E:
        """The evaluation of all cases of ``parts`` (at least one)."""

    def empty(self) -> E:
        """The evaluation of no case."""

    def unpack(self, record: ConfigRecord) -> E:
        """Read what another machine sent.

        Raises:
            WireError: a key is missing, or counts do not fit the plan or each other.
        """


AnyTask = Task[Any]

"""The interface of a task: everything that differs between classification, multi-label findings and survival."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.scores import ScoreCounts, Scoring
from fedgraft.common.interfaces.wording import Wording

Scalar = float | None
Scheme = Literal["inverse", "square_root", "effective"]


class Labelled(Protocol):
    """The parts of a case (`fedgraft.client.cohort.case.Case`) that a task reads."""

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
    """What the cells of a manifest's column must be for a task.

    Attributes:
        column: the column's name.
        fits: whether a stripped cell can be used.
        what: what a cell must be, in words.
        words: all valid cells, if they can be listed.
    """

    column: str
    fits: Callable[[str], bool]
    what: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """Something that cases can have, for reports: a class, a finding, an event.

    ``of[i]``: whether case i has it; ``None`` if that is unknown, or the manifest's cell can't be read.
    """

    name: str
    of: tuple[bool | None, ...]

    def count(self, having: bool | None, among: Sequence[int]) -> int:
        """How many of the cases at the indices ``among`` have it (``True``), do not (``False``), or are unknown."""
        return sum(self.of[at] is having for at in among)


class Evaluation(Protocol):
    """The evaluation of a network on cases, as sums that can be merged over sites and identify no case."""

    @property
    def cases(self) -> int:
        """How many cases were evaluated."""

    @property
    def prevalence(self) -> Scalar:
        """The prevalence of what is predicted."""

    def figures(self) -> dict[str, Scalar]:
        """The task's `Task.figures`; ``None`` = undefined, for instance AUROC over cases of one class."""

    def details(self) -> dict[str, Any]:
        """Further content for ``summary.json``, as JSON; empty if there is none."""

    def score_counts(self) -> tuple[ScoreCounts, ...]:
        """The binned scores of each of `Task.scored`, in that order."""

    def releasable(self, min_count: int) -> Self | None:
        """What may leave a site that releases nothing about fewer than ``min_count`` cases; ``None`` if nothing."""

    def merged(self, least: int) -> Self:
        """With scores told by groups of ``least`` neighbouring cases or more; unchanged if it counts no scores."""

    def pack(self) -> ConfigRecord:
        """Pack as a Flower record; `Task.unpack` is the reverse."""


E = TypeVar("E", bound=Evaluation)


class Task(Scoring, Wording, Protocol[E]):
    """A kind of prediction, built from the plan's ``data.classes``.

    Labels are a tensor with one row per case, as `targets` gives them. Outputs are the network's, ``(N, outputs)``.
    """

    # --- the plan

    @property
    def name(self) -> str:
        """The name in ``data.task``."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The plan's ``data.classes``."""

    @property
    def problem(self) -> str:
        """What is wrong with ``data.classes``, and what to set; empty if nothing."""

    @property
    def outputs(self) -> int:
        """The number of the network's outputs per case."""

    @property
    def one_class_per_case(self) -> bool:
        """Whether labels are ``(N,)`` int64, the index of each case's class: sampling, sums by class and alignment by
        class need that."""

    @property
    def has_classes(self) -> bool:
        """Whether there are classes or findings, which a loss can weigh and a site can lack."""

    @property
    def whole_batches(self) -> bool:
        """Whether the loss compares the cases of a batch."""

    @property
    def not_mixable(self) -> str:
        """Why a mixture of two cases has no label, in words; empty if it has one."""

    @property
    def loss(self) -> str:
        """The choice of ``conf/loss`` that suits this task."""

    @property
    def counting(self) -> str:
        """The `counts` in words, for ``fedgraft plan``."""

    @property
    def leaving(self) -> str:
        """What of an evaluation leaves a site, in words, for ``fedgraft plan``."""

    # --- cases and their labels

    @property
    def reads_label(self) -> bool:
        """Whether the task reads the manifest's column ``label``."""

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        """The manifest's other columns with labels."""

    def cells(self) -> tuple[Cell, ...]:
        """What the cells of the columns with labels must be, including ``label``."""

    def found_classes(self, cases: Sequence[Labelled]) -> dict[str, int]:
        """The classes found in the cases' labels, with their numbers of cases, in the order for ``data.classes``; empty
        if the task has no classes.

        Raises:
            PlanError: they can't be found, and must be named in the plan.
            DataError: the labels can't be classes.
        """

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        """The labels of cases.

        Raises:
            DataError: a column is missing, or a cell can't be read; the message has the number of such cases, never
                their content.
        """

    def has(self, case: Labelled) -> tuple[str, ...]:
        """The classes, findings or events of a case, each of which a site's training cases should have at least once;
        cells that can't be read are ignored."""

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        """The stratum of each unit (cases that stay together): splits and label-skewed partitions are stratified by
        it."""

    # --- reports on a cohort

    @property
    def may_be_unknown(self) -> bool:
        """Whether it may be unknown if a case has an outcome."""

    @property
    def unusable(self) -> str:
        """What is wrong with `unreadable` cases, in words: "a label that ..."."""

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        """The outcomes of the cases, also of `unreadable` ones."""

    def unreadable(self, cases: Sequence[Labelled]) -> list[int]:
        """The indices of the cases whose labels `targets` can't read."""

    def resembles_outcome(self, cells: Sequence[str]) -> bool:
        """Whether a column with these cells looks like one that the task could predict."""

    def shortages(self, outcomes: Sequence[Outcome], among: Sequence[int], split: str) -> list[tuple[str, str]]:
        """Outcomes of which a split has too few cases: pairs of a sentence on what is missing and one on what helps.

        Args:
            outcomes: of all cases, with names that may be shown.
            among: indices of the split's cases.
            split: ``train``, ``val`` or ``test``.
        """

    # --- training

    def mask(self, outputs: Tensor, labels: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
        """Change a batch's outputs and labels so that a loss has no gradient for outputs that the site can't learn.

        Args:
            learnable: ``(outputs,)`` bool, as `learnable` gives it.
        """

    def divergence(self, teacher: Tensor, student: Tensor, learnable: Tensor) -> Tensor:
        """The divergence of the student's outputs from the teacher's, for outputs that the site can't learn; a scalar,
        in nats, mean over cases.

        Args:
            teacher, student: outputs for the same cases.
            learnable: ``(outputs,)`` bool, not all true.
        """

    def some_labels(self, cases: int) -> Tensor:
        """Possible labels for ``cases`` cases, for measuring how long a step takes."""

    # --- counts of training cases

    def known(self, labels: Tensor) -> tuple[int, ...] | None:
        """For each output, how many of the cases have a label for it; ``None`` if all have one for all."""

    @property
    def counts(self) -> tuple[str, ...]:
        """The names of the counts of training cases that a site sends."""

    def count(self, labels: Tensor) -> tuple[int, ...]:
        """One number for each of `counts`."""

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        """Whether ``cases`` cases can have these counts."""

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """The counts that may leave a site; ``None`` if none may."""

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """For each output, whether a site with these counts has the cases to learn it from."""

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        """The ``class_weights`` of a loss, float32, from counts (`fedgraft.common.tasks.weights`).

        Raises:
            PlanError: no case is counted, or the task has no weights.
        """

    def weighs_alike(self, counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> bool:
        """Whether `weights` would have no effect on cases with these counts."""

    # --- evaluation

    @property
    def headline(self) -> str:
        """The figure that is plotted and decides which site is the worst; larger is better."""

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of an evaluation's figures."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The headings of a table, by figure."""

    def evaluate_parts(self, outputs: NDArray[np.floating], labels: NDArray[Any], sizes: Sequence[int]) -> list[E]:
        """Evaluate consecutive parts of N cases separately; the ``sizes`` of the parts sum to N."""

    def merge(self, parts: Sequence[E]) -> E:
        """The evaluation of all ``parts`` (at least one)."""

    def empty(self) -> E:
        """The evaluation of no case."""

    def unpack(self, record: ConfigRecord) -> E:
        """Read an evaluation that another machine sent; `WireError` if a key is missing, or counts do not fit."""


AnyTask = Task[Any]

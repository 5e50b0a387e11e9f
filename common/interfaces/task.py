"""What a task is: all that differs between classification, multi-label findings and survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Self, TypeVar

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

Scalar = float | None


Scheme = Literal["inverse", "square_root", "effective"]


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
    """One way of learning from labelled cases.

    Labels are a tensor with one row for each case (`fedgraft.client.cohort.targets`), outputs what the network gives,
    ``(N, outputs)`` float32.
    """

    @property
    def counts(self) -> tuple[str, ...]:
        """The names of the counts of training cases that a site offers."""

    @property
    def headline(self) -> str:
        """The figure by which plots and the worst site go; larger is better."""

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of an evaluation's figures."""

    @property
    def columns(self) -> Mapping[str, str]:
        """The figures that a table shows, and their headings."""

    @property
    def loss(self) -> str:
        """The choice of ``conf/loss`` that suits."""

    @property
    def counting(self) -> str:
        """The `counts` in words, for ``fedgraft plan``."""

    @property
    def leaving(self) -> str:
        """What an evaluation tells, in words, for ``fedgraft plan``."""

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

    def some_labels(self, cases: int) -> Tensor:
        """Labels that cases could have: to measure what a step costs."""

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

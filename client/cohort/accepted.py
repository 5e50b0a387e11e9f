"""Accept a site's cohort for a plan: expand the manifest's lines, read labels, exclude unusable cases, split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.duplicates import refuse_across_splits
from fedgraft.client.cohort.enrolment.enrolled import EVALUATION, TRAINING, Enrolled
from fedgraft.client.cohort.enrolment.roll import Roll, roll_of_plan
from fedgraft.client.cohort.inputs import Inputs, Remarks
from fedgraft.client.cohort.quarantine import REASONS, USABLE, count_reasons, write_quarantine, write_remarks
from fedgraft.client.cohort.splits import require_given
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan

T = TypeVar("T")
Recalls = Callable[[Mapping[Case, bytes]], Mapping[Case, tuple[bytes, ...]]]
"""Of cases that can't be read, with the marks of their lines: the keys of those of which all is kept, view by view."""


@dataclass(frozen=True)
class LabelledCases:
    """Usable cases, and the label of each by the plan's task (`fedgraft.common.interfaces.task.Task.targets`)."""

    cases: tuple[Case, ...]
    labels: Tensor

    @cached_property
    def patients(self) -> tuple[str, ...]:
        return tuple(case.patient for case in self.cases)

    @cached_property
    def by_label(self) -> tuple[tuple[Case, ...], ...]:
        """The cases of each class that has some; for labels of whole numbers only."""
        numbers = self.labels.tolist()
        pairs = list(zip(self.cases, numbers, strict=True))
        return tuple(tuple(case for case, label in pairs if label == one) for one in sorted(set(numbers)))


@dataclass(frozen=True)
class AcceptedCohort:
    """A site's cases for a plan.

    Attributes:
        cases: all cases; a line of the manifest that names a series may be several.
        verdicts: ``(N,)`` uint8: 0 for a usable case, else the number of the reason why it is not.
        splits: ``train``, ``val`` and ``test``; the last two may be empty.
        account: over whom the site may answer.
        recalled: of cases that took part in this run before and can't be read any more, the keys of what is kept.
    """

    cases: tuple[Case, ...]
    verdicts: NDArray[np.uint8]
    splits: dict[str, LabelledCases]
    account: Enrolled
    recalled: Mapping[Case, tuple[bytes, ...]] = field(default_factory=dict)

    def require_training(self, quantity: str) -> None:
        """Enter into the account that something is told of all training cases.

        Raises:
            AccountError: it may not leave.
        """
        self.account.require(TRAINING, quantity, self.splits["train"].cases)

    def may_tell_of_training(self, quantity: str, by_label: bool = False) -> bool:
        """Whether sums over all training cases, or over those of each class, may leave; they are noted if so."""
        train = self.splits["train"]
        return self.account.may(TRAINING, quantity, *(train.by_label if by_label else (train.cases,)))

    def tellable(self, quantity: str, told: Mapping[str, T]) -> dict[str, T]:
        """What is told of parts of the cohort, without those parts of which it may not leave; the rest is noted."""
        may = self.account.may
        return {name: one for name, one in told.items() if may(EVALUATION + name, quantity, self.splits[name].cases)}

    @property
    def quarantined(self) -> dict[str, int]:
        """How many cases can't be used, by reason, most first."""
        return count_reasons(self.verdicts)


def accept(
    listed: Sequence[Case],
    plan: Plan,
    inputs: Inputs,
    quarantine: Path | None = None,
    trains: bool = True,
    roll: Roll | None = None,
    run: int = 0,
    recall: Recalls | None = None,
) -> AcceptedCohort:
    """Accept a manifest's cases.

    Labels are read first, so that a wrong one is reported before hours of decoding. All cases are split, also those
    that can't be used. Of the others some may wait or rest (`fedgraft.client.account.snapshot`).

    Args:
        listed: the manifest's lines.
        quarantine: the folder for the list of the cases that can't be used, and for what is to be said of all.
        trains: whether the site trains. If not (``hold_out``), and it has test cases only, these are its ``train`` too:
            what asks for no label (its own scale, an adaptation) rests on them.
        roll: the site's; ``None`` for a simulated one by the plan alone.
        run: Flower's id of the run.
        recall: finds what is kept of cases that can't be read any more.

    Raises:
        DataError: a label is no class of the plan; no case is left to train (or only test) on; an image in two splits.
        LostCaseError, AccountError: as `Enrolled.taking_part`.
    """
    cases = inputs.expanded(listed)
    labels = tasks.of(plan.data).targets(cases)
    verdicts = inputs.verdicts(cases)
    if quarantine is not None:
        _write_down(quarantine, inputs, cases, verdicts)
    require_given(cases, plan.data)
    enrolled = Enrolled(roll or roll_of_plan(plan), listed, run)
    verdicts, recalled = _recalled(cases, verdicts, enrolled, recall)
    usable = {case for case, verdict in zip(cases, verdicts, strict=True) if verdict == USABLE}
    left = _those_in(usable, enrolled.roll.parts(cases, tasks.of(plan.data)))
    external = not left["train"] and not trains and bool(left["test"])
    if not left["train"] and not external:
        raise _nobody_left(cases, verdicts)
    refuse_across_splits(_those_in(usable - {*recalled}, left), inputs.digests)
    left = enrolled.taking_part(left, [case for case in cases if case not in usable])
    left |= {"train": left["test"]} if external else {}
    return AcceptedCohort(cases, verdicts, _labelled(cases, labels, left), enrolled, recalled)


def _write_down(folder: Path, inputs: Inputs, cases: Sequence[Case], verdicts: NDArray[np.uint8]) -> None:
    write_quarantine(folder, cases, verdicts)
    write_remarks(folder, inputs.remarks(cases) if isinstance(inputs, Remarks) else ())


def _recalled(
    cases: Sequence[Case], verdicts: NDArray[np.uint8], enrolled: Enrolled, recall: Recalls | None
) -> tuple[NDArray[np.uint8], Mapping[Case, tuple[bytes, ...]]]:
    """Verdicts by which those can be used that can't be read, but of which all is kept; and these."""
    gone = [case for case, verdict in zip(cases, verdicts, strict=True) if verdict != USABLE]
    if recall is None or not gone:
        return verdicts, {}
    found = recall(enrolled.marks(gone))
    return np.where([case in found for case in cases], USABLE, verdicts).astype(verdicts.dtype), found


def _those_in(some: set[Case], parts: Mapping[str, tuple[Case, ...]]) -> dict[str, tuple[Case, ...]]:
    return {name: tuple(case for case in part if case in some) for name, part in parts.items()}


def _labelled(cases: Sequence[Case], labels: Tensor, parts: Mapping[str, tuple[Case, ...]]) -> dict[str, LabelledCases]:
    place = {case: at for at, case in enumerate(cases)}
    return {name: LabelledCases(some, labels[[place[case] for case in some]]) for name, some in parts.items()}


def _nobody_left(cases: Sequence[Case], verdicts: NDArray[np.uint8]) -> DataError:
    reasons = f" (can't be used: {listed_reasons(verdicts)})" if (verdicts != USABLE).any() else ""
    if (verdicts != USABLE).all():
        first = max(count_reasons(verdicts).items(), key=itemgetter(1))[0]
        return DataError(f"the cohort leaves no case to train on{reasons}: {REASONS[first]}; see fedgraft site check")
    return DataError(f"the cohort leaves no case to train on{reasons}; {_remedy(cases)}, or see fedgraft site check")


def _remedy(cases: Sequence[Case]) -> str:
    if all(case.split is not None for case in cases):
        return "the manifest's own `split` names none as train; a hospital that only tests belongs into hold_out"
    return "lower `split` in site.yaml (in a simulation data.val_fraction and data.test_fraction)"


def accept_whole(listed: Sequence[Case], plan: Plan, inputs: Inputs) -> LabelledCases:
    """Accept cases that are not split, such as a test set.

    Raises:
        DataError: a label is not a class of the plan, or a case can't be used; the message counts them by reason.
    """
    cases = inputs.expanded(listed)
    labels = tasks.of(plan.data).targets(cases)
    verdicts = inputs.verdicts(cases)
    if (verdicts != USABLE).any():
        raise DataError(f"{(verdicts != USABLE).sum()} case(s) can't be used: {listed_reasons(verdicts)}")
    return LabelledCases(cases, labels)


def listed_reasons(verdicts: NDArray[np.uint8]) -> str:
    """``damaged 2, missing 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in count_reasons(verdicts).items())

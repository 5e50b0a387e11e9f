"""The cases to be checked, with the line, split and outcomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fedgraft.client.check.outcomes import outcomes
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.roll import Roll, roll_of_plan
from fedgraft.client.cohort.splits import require_given
from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Outcome
from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class CaseTable:
    """Cases with their lines, splits and outcomes: ``cases[i]`` is in line ``lines[i]`` and split ``splits[i]``.

    Attributes:
        lines: lines of the manifest; the header is line 1. Slices of one series share a line.
        splits: ``train``, ``val`` or ``test``; ``None`` if neither the manifest nor a plan says.
        outcomes: what is predicted of each case.
    """

    cases: tuple[Case, ...]
    lines: tuple[int, ...]
    splits: tuple[str, ...] | None
    outcomes: tuple[Outcome, ...]

    def some(self, positions: Sequence[int]) -> CaseTable:
        """Only the cases at these positions."""
        return CaseTable(
            tuple(self.cases[at] for at in positions),
            tuple(self.lines[at] for at in positions),
            None if self.splits is None else tuple(self.splits[at] for at in positions),
            tuple(Outcome(one.name, tuple(one.of[at] for at in positions)) for one in self.outcomes),
        )

    def positions(self, name: str) -> list[int]:
        """Positions of the cases of a split."""
        return [] if self.splits is None else [at for at, side in enumerate(self.splits) if side == name]


def enrol(cases: Sequence[Case], lines: Sequence[int], plan: Plan | None, roll: Roll | None = None) -> CaseTable:
    """Split the cases as a run would, and read their outcomes.

    Args:
        roll: the site's; ``None`` for a simulated one by the plan alone.

    Raises:
        DataError: the plan wants a ``split`` that the manifest lacks.
    """
    found = outcomes(cases, None if plan is None else tasks.of(plan.data))
    return CaseTable(tuple(cases), tuple(lines), _splits(cases, plan, roll), found)


def _splits(cases: Sequence[Case], plan: Plan | None, roll: Roll | None) -> tuple[str, ...] | None:
    if cases and all(case.split is not None for case in cases):
        return tuple(case.split or "" for case in cases)
    if plan is None:
        return None
    require_given(cases, plan.data)
    splits = (roll or roll_of_plan(plan)).parts(cases, tasks.of(plan.data), keep=False)
    side = {case: name for name, some in splits.items() for case in some}
    return tuple(side[case] for case in cases)


def lines_of_cases(listed: Sequence[Case], expanded: Sequence[Case]) -> tuple[int, ...]:
    """One line for each expanded case; the header is line 1.

    Args:
        listed: the manifest's cases, one a line.
        expanded: what `fedgraft.client.cohort.inputs.Inputs.expanded` made of them: same order, at least one each.
    """
    lines, at, last = [], -1, -1
    for case in expanded:
        row = -1 if case.row is None else case.row
        if at < 0 or row <= last or not _is_of(case, listed[at]):
            at, last = at + 1, -1
        if not _is_of(case, listed[at]):
            raise ValueError("the expanded cases are not those of the manifest, in its order")
        last = row
        lines.append(at + 2)
    return tuple(lines)


def _is_of(case: Case, line: Case) -> bool:
    return case == line or (line.row is None and replace(case, row=None) == line)

"""The cases that the doctor looks at, with what the manifest and the plan say of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.client.doctor.outcomes import Outcome, outcomes
from fedgraft.client.manifest import Case
from fedgraft.client.splits import split_as_planned
from fedgraft.common.plan import Plan


@dataclass(frozen=True)
class Roll:
    """``cases[i]`` stands in the manifest's line ``lines[i]`` and is in ``splits[i]``.

    Attributes:
        lines: the header is line 1. Slices of one series share a line.
        splits: ``train``, ``val`` or ``test``; ``None`` if neither the manifest nor a plan says.
        outcomes: what is predicted of each case.
    """

    cases: tuple[Case, ...]
    lines: tuple[int, ...]
    splits: tuple[str, ...] | None
    outcomes: tuple[Outcome, ...]

    def some(self, positions: Sequence[int]) -> Roll:
        """Only the cases at these positions."""
        return Roll(
            tuple(self.cases[at] for at in positions),
            tuple(self.lines[at] for at in positions),
            None if self.splits is None else tuple(self.splits[at] for at in positions),
            tuple(Outcome(one.name, tuple(one.of[at] for at in positions)) for one in self.outcomes),
        )

    def positions(self, name: str) -> list[int]:
        """Where the cases of a split are."""
        return [] if self.splits is None else [at for at, side in enumerate(self.splits) if side == name]


def enrol(cases: Sequence[Case], lines: Sequence[int], plan: Plan | None) -> Roll:
    """Split the cases as a run would, and read their outcomes.

    Raises:
        PlanError: the plan's fractions leave nothing to train on.
    """
    found = outcomes(cases, None if plan is None else plan.data)
    return Roll(tuple(cases), tuple(lines), _splits(cases, plan), found)


def _splits(cases: Sequence[Case], plan: Plan | None) -> tuple[str, ...] | None:
    if cases and all(case.split is not None for case in cases):
        return tuple(case.split or "" for case in cases)
    if plan is None:
        return None
    dealt = split_as_planned(cases, plan.data, plan.seed)
    side = {case: name for name, some in dealt.items() for case in some}
    return tuple(side[case] for case in cases)

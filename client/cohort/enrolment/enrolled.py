"""A site's cases on its roll: who takes part now, and over whom it may answer."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from fedgraft.client.account.book import Line
from fedgraft.client.account.combinations import Members, tells_of_few
from fedgraft.client.account.snapshot import Past, settle
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.roll import Roll
from fedgraft.common.errors import AccountError, LostCaseError
from fedgraft.common.plan.data_sections import DataSection

Parts = Mapping[str, tuple[Case, ...]]
Group = Sequence[Case]
TRAINING, EVALUATION = "training", "evaluation."
"""Families of quantities that can be subtracted from each other: sums over training cases (updates, gradients, sums
and moments of features), and over the cases of a part."""
_COHORT = "cohort."


@dataclass
class Enrolled:
    """A manifest's lines on the roll of a site.

    Attributes:
        run: whose cohort is kept whole: a case that can't be read any more ends the site's part in it, unless what the
            run needs of it is kept.
    """

    roll: Roll
    listed: Sequence[Case]
    run: int = 0
    _seen: dict[tuple[str, str], list[tuple[Group, ...]]] = field(default_factory=dict)
    _alone: dict[str, Group] = field(default_factory=dict)
    _numbers: dict[Case, int] = field(default_factory=dict)
    _sets: list[tuple[Group, Members]] = field(default_factory=list)

    def taking_part(self, parts: Parts, unusable: Sequence[Case] = ()) -> dict[str, tuple[Case, ...]]:
        """The cases of each part that take part now (`fedgraft.client.account.snapshot`).

        Args:
            parts: the usable ones.

        Raises:
            LostCaseError: one that took part in this run can't be used any more.
            AccountError: no set of the training cases may take part beside those that took part before. Validation and
                test cases are then left out.
        """
        if self.roll.file is None:
            return dict(parts)
        with self.roll.book.changing():
            return {name: self._taking_part(name, some, unusable) for name, some in parts.items()}

    def _taking_part(self, name: str, cases: tuple[Case, ...], unusable: Sequence[Case]) -> tuple[Case, ...]:
        book, run = self.roll.book, str(self.run)
        numbers, out = self.numbers(cases), self.numbers(unusable)
        past = self.past(name)
        before = book.of_run(run, name, len(past.owners))
        lost = 0 if before is None else sum(bool(before[one]) for one in set(out.values()) - set(numbers.values()))
        if lost:
            raise LostCaseError(
                f"{lost} case(s) that took part in this run can't be read any more; figures over the others would "
                "tell of them. `fedgraft site check` says which; bring them back, or begin another run without them"
            )
        if not cases:
            return cases
        found = settle(_members(numbers.values(), len(past.owners)), past, self._order)
        if found is None and name != "train":
            return ()  # no figures over them are told
        if found is None:
            raise AccountError(
                f"the {name} part has too few patients left for an answer that does not tell of those who went"
            )
        book.note(_COHORT + name, "taking part", found)
        book.keep_run(run, name, found)
        taking = tuple(case for case in cases if found[numbers[case]])
        self._sets.append((taking, found))
        return taking

    def own_fractions(self, data: DataSection) -> tuple[float, float] | None:
        """The shares that validate and test here, if they are others than a plan's and the manifest names no split."""
        own = self.roll.fractions.val_fraction, self.roll.fractions.test_fraction
        given = all(case.split is not None for case in self.listed)
        return None if given or own == (data.val_fraction, data.test_fraction) else own

    def outside(self, name: str, cases: Sequence[Case]) -> tuple[int, int]:
        """How many patients of a part wait to take part for the first time, and how many rest; (0, 0) before the first
        run, which takes all."""
        past, known = self.past(name), self.roll.book.numbers()
        if not len(past.known):
            return 0, 0
        last, ever = past.known[-1], np.logical_or.reduce(past.known, axis=0).tolist()
        places = {case: known.get(self._line(case).mark) for case in cases}
        out = {case.patient for case, at in places.items() if at is None or not last[at]}
        resting = {case.patient for case, at in places.items() if at is not None and ever[at] and not last[at]}
        return len(out - resting), len(resting)

    def past(self, name: str) -> Past:
        """What the account knows of a part."""
        owners, strata = self.roll.book.owners()
        known = self.roll.book.known(_COHORT + name, len(owners))
        return Past(known, owners, strata if name == "train" else np.zeros_like(strata), self.roll.least)

    def _order(self, draw: int, patient: int) -> float:
        return self.roll.secret.share("rest", str(draw), str(patient))

    def may(self, family: str, quantity: str, *groups: Group) -> bool:
        """Whether sums over each of some groups of cases may leave, beside all of their family that have left; if so,
        they are in the account when this returns.

        Args:
            quantity: its name within the family.
        """
        if self.roll.least <= 1:
            return True
        groups = tuple(group for group in groups if len(group))
        seen = self._seen.setdefault((family, quantity), [])
        if any(_same(one, groups) for one in seen):
            return True
        if not (self._is_alone(family, groups) or self._noted(family, quantity, groups)):
            return False
        seen.append(groups)
        return True

    def require(self, family: str, quantity: str, *groups: Group) -> None:
        """`may`, or an error.

        Raises:
            AccountError: they may not leave.
        """
        if not self.may(family, quantity, *groups):
            raise AccountError(
                f"{quantity}: beside what this site has told before, this would tell of fewer than {self.roll.least} "
                "patients (release.min_count); nothing was sent"
            )

    def _is_alone(self, family: str, groups: tuple[Group, ...]) -> bool:
        """Whether an account that lasts no longer than this process has nothing of a family but one group, which is
        asked again: nothing need be counted before there is a second one."""
        if self.roll.file is not None:
            return False
        first = self._alone.setdefault(family, groups[0] if len(groups) == 1 else ())
        return len(groups) == 1 and first is groups[0]

    def _noted(self, family: str, quantity: str, groups: Sequence[Group]) -> bool:
        book, first = self.roll.book, self._alone.get(family, ())
        sets = [self._members(group) for group in ((first, *groups) if len(first) else groups)]
        if all(book.has(family, quantity, members) for members in sets):
            return True
        with book.changing():
            owners, _ = book.owners()
            known = book.known(family, len(owners))
            for members in (np.pad(one, (0, len(owners) - len(one))) for one in sets):
                if not (known == members).all(axis=1).any():
                    if tells_of_few(members, known, owners, self.roll.least):
                        return False
                    known = np.vstack([known, members[None]])
            for members in sets:
                book.note(family, quantity, members)
        return True

    def _members(self, group: Group) -> Members:
        for one, members in self._sets:
            if one is group:
                return members
        return _members(self.numbers(group).values())

    def numbers(self, cases: Iterable[Case]) -> dict[Case, int]:
        """The account's number of each case's line, entered if it is new."""
        cases = list(cases)
        lines = {case: self._line(case) for case in cases if case not in self._numbers}
        if lines:
            entered = self.roll.book.enter(list(lines.values()))
            self._numbers |= {case: entered[line.mark] for case, line in lines.items()}
        return {case: self._numbers[case] for case in cases}

    def marks(self, cases: Iterable[Case]) -> dict[Case, bytes]:
        """The keyed mark of each case's line."""
        return {case: self._line(case).mark for case in cases}

    def _line(self, case: Case) -> Line:
        return self._lines[case] if case in self._lines else self._lines[replace(case, row=None)]

    @cached_property
    def _lines(self) -> dict[Case, Line]:
        """Each line of the manifest. Folders do not count, so that a cohort can be moved; equal names of a patient's
        files are numbered."""
        found, mark = dict[Case, Line](), self.roll.secret.mark
        named = Counter[tuple[str, ...]]()
        for case in sorted(self.listed, key=lambda one: (one.path, -1 if one.row is None else one.row)):
            cells = [text for column in case.columns for text in column]
            said = (case.patient, case.path.rpartition(os.sep)[2], str(case.row), case.label, *cells)
            named[said] += 1
            stratum = int.from_bytes(mark("label", case.label)[:6], "big")
            found[case] = Line(mark("line", str(named[said]), *said), self.roll.patient(case.patient), stratum)
        return found


def _members(numbers: Iterable[int], lines: int = 0) -> Members:
    """A set of lines, ``(lines,)``; as long as it must be if no length is given."""
    places = list(numbers)
    found = np.zeros(lines or max(places) + 1, np.bool_)
    found[places] = True
    return found


def _same(one: tuple[Group, ...], other: tuple[Group, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))

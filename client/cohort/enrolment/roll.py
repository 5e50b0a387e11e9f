"""The roll of a site: who is in which part of its cohort.

Nothing of it follows from a plan. A patient's part is drawn once, by the site's own secret and fractions, and kept in
the account (`fedgraft.client.account.book`); a plan that comes later, with another seed, task or fraction, finds it
there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fedgraft.client.account.book import FILE, Book
from fedgraft.client.account.secret import Secret, secret_of
from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.client.cohort.splits import split
from fedgraft.client.cohort.units import by_unit
from fedgraft.client.site.site_file import Fractions, SiteFile
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan


@dataclass
class Roll:
    """What of a site decides over its cohort, and its account of whom it has told.

    Attributes:
        least: the fewest patients of whom an answer, or two taken together, may tell.
        file: of the account; ``None`` if it lasts as long as this process, as in a simulation, whose sites start anew
            with each run.
    """

    secret: Secret
    fractions: Fractions
    least: int
    file: Path | None = None
    _marks: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def book(self) -> Book:
        return Book(self.file, self.secret)

    def parts(self, cases: Sequence[Case], task: AnyTask, keep: bool = True) -> dict[str, tuple[Case, ...]]:
        """``train``, ``val`` and ``test``: by the manifest's own ``split``, or as it was drawn.

        Args:
            task: of the first plan that comes here: the first draw is stratified by it.
            keep: whether what is drawn is kept for good.

        Raises:
            DataError: as `split`.
        """
        if self.file is None or all(case.split is not None for case in cases):
            return self._drawn(cases, task)
        known = self.book.parts() if keep or self.file.exists() else {}
        if not known:
            drawn = self._drawn(cases, task)
            part = {case.patient: name for name, some in drawn.items() for case in some}
        else:
            drawn, part = {}, self._joined(cases, known)
        new = {mark: side for name, side in part.items() if (mark := self.patient(name)) not in known}
        if keep and new:
            with self.book.changing():
                self.book.keep_parts(new)
        ordered = sorted(cases, key=lambda case: (case.path, -1 if case.row is None else case.row))
        return drawn or {name: tuple(case for case in ordered if part[case.patient] == name) for name in SPLITS}

    def patient(self, name: str) -> bytes:
        """The keyed mark of a patient."""
        if name not in self._marks:
            self._marks[name] = self.secret.mark("patient", name)
        return self._marks[name]

    def _drawn(self, cases: Sequence[Case], task: AnyTask) -> dict[str, tuple[Case, ...]]:
        own = self.fractions
        fractions = {"val_fraction": own.val_fraction, "test_fraction": own.test_fraction}
        return split(cases, **fractions, seed=self.secret.text, task=task)

    def _joined(self, cases: Sequence[Case], known: Mapping[bytes, str]) -> dict[str, str]:
        """The part of each patient: as it is known, or that of the patient's unit, or a draw by itself."""
        found = {}
        for unit, some in by_unit(cases).items():
            members = {case.patient: known.get(self.patient(case.patient)) for case in some}
            held = Counter(side for side in members.values() if side is not None).most_common(1)
            side = held[0][0] if held else self._draw(unit)
            found.update({name: own or side for name, own in members.items()})
        return found

    def _draw(self, unit: str) -> str:
        share, own = self.secret.share("part", unit), self.fractions
        if share < own.test_fraction:
            return "test"
        return "val" if share < own.test_fraction + own.val_fraction else "train"


def roll_of(site: SiteFile, lasting: bool = True) -> Roll:
    """The roll of a site.

    Args:
        lasting: whether its account is kept in the state folder.

    Raises:
        DataError: the site's secret is damaged.
    """
    return Roll(secret_of(site.state), site.split, site.release.min_count, site.state / FILE if lasting else None)


def roll_of_plan(plan: Plan) -> Roll:
    """The roll of a simulated site, by a plan alone; nothing is refused."""
    fractions = Fractions(plan.data.val_fraction, plan.data.test_fraction)
    return Roll(Secret(str(plan.seed), simulated=True), fractions, least=1)

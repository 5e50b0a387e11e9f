"""Columns of a cohort that give the label away: a model that reads them, or sees their trace, need not look further."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from fedgraft.common.interfaces.task import Outcome
from fedgraft.common.tasks.areas import FEW
from fedgraft.common.tasks.metrics import Curve, auroc

LEAKS = 0.95
"""AUROC of one column alone from which it gives the label away."""
TELLS = 0.6
"""The same of a column that the network does not read (scanner, view), but whose trace it may see in the image."""
MOST_VALUES = 12
"""A column with more values that are no numbers is not looked at."""
MOST_CASES = 5000
"""Of more cases, so many are looked at, drawn at random."""
Columns = Mapping[str, Sequence[str]]
"""Cells by column name, one per case."""


@dataclass(frozen=True)
class Giveaway:
    """``auroc``: of the best guess of ``outcome`` from ``column`` alone."""

    column: str
    outcome: str
    auroc: float


def giveaways(
    columns: Columns, outcomes: Sequence[Outcome], units: Sequence[str], read: bool, absent: Collection[str] = ()
) -> list[Giveaway]:
    """The columns that give an outcome away, each with the outcome that it tells best; the most telling first.

    A number is taken as a score, in the better direction. Where a column has few values, or cells are missing, each
    value's share of the outcome among the other half of the patients is the score, so that a column of names tells
    nothing.

    Args:
        units: of each case, the patient or group.
        read: whether the network reads the columns.
        absent: words for a missing value, besides an empty cell.
    """
    places = sorted(Random(0).sample(range(len(units)), min(MOST_CASES, len(units))))
    found, outcomes, units = [], _told_apart(outcomes, places), [units[at] for at in places]
    for name, cells in columns.items():
        stripped = [cell.strip() for cell in (cells[at] for at in places)]
        known = ["" if cell in absent else cell for cell in stripped]
        telling = [Giveaway(name, one.name, reached) for one in outcomes for reached in _reached(known, one, units)]
        best = max(telling, key=lambda one: one.auroc, default=None)
        few = len(set(known)) <= MOST_VALUES
        if best is not None and best.auroc >= (LEAKS if read or not few else TELLS):
            found.append(best)
    return sorted(found, key=lambda one: -one.auroc)


def _told_apart(outcomes: Sequence[Outcome], places: Sequence[int]) -> list[Outcome]:
    """The outcomes of these cases; of two that exclude each other the second, since the first is told as well."""
    some = [Outcome(one.name, tuple(one.of[at] for at in places)) for one in outcomes]
    mirrored = len(some) == 2 and all(one is not other for one, other in zip(some[0].of, some[1].of, strict=True))
    return some[1:] if mirrored else some


def _reached(cells: Sequence[str], outcome: Outcome, units: Sequence[str]) -> Iterator[float]:
    """What the column reaches as a category, and as a number."""
    places = [at for at, of in enumerate(outcome.of) if of is not None]
    having = sum(bool(outcome.of[at]) for at in places)
    if min(having, len(places) - having) < FEW:
        return
    some, truth = [cells[at] for at in places], [bool(outcome.of[at]) for at in places]
    if len(set(some)) <= MOST_VALUES:
        yield _as_category(some, truth, [units[at] for at in places])
        return
    yield _as_category(["there" if cell else "" for cell in some], truth, [units[at] for at in places])
    numbers = [(value, has) for cell, has in zip(some, truth, strict=True) if (value := _number(cell)) is not None]
    if len(numbers) == sum(map(bool, some)) and min(_sides(has for _, has in numbers)) >= FEW:
        yield _as_number(numbers)


def _as_number(numbers: Sequence[tuple[float, bool]]) -> float:
    """The AUROC of a number, in the better direction."""
    reached = auroc(_curve(numbers)) or 0.0
    return max(reached, 1 - reached)


def _as_category(cells: Sequence[str], truth: Sequence[bool], units: Sequence[str]) -> float:
    """The AUROC of each value's share of positives in the other half of the units, over the pairs within the halves."""
    half = [hashlib.blake2b(unit.encode(), digest_size=1).digest()[0] % 2 for unit in units]
    counted = Counter(zip(half, cells, truth, strict=True))
    right = whole = 0.0
    for side in (0, 1):
        scored = []
        for cell, has, own in zip(cells, truth, half, strict=True):
            if own == side:
                negatives, positives = (counted[1 - side, cell, known] for known in (False, True))
                scored.append(((positives + 0.5) / (negatives + positives + 1), has))
        negatives, positives = _sides(has for _, has in scored)
        right += (auroc(_curve(scored)) or 0.0) * negatives * positives
        whole += negatives * positives
    return right / whole if whole else 0.5


def _curve(scored: Iterable[tuple[float, bool]]) -> Curve:
    levels: dict[float, list[int]] = defaultdict(lambda: [0, 0])
    for score, has in scored:
        levels[score][has] += 1
    return [(negatives, positives) for _, (negatives, positives) in sorted(levels.items())]


def _sides(truth: Iterable[bool]) -> tuple[int, int]:
    known = list(truth)
    return len(known) - sum(known), sum(known)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

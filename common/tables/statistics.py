"""Pool the means, deviations and vocabularies of a table's columns over sites, as the pooled table would have them.

Each site sends count, mean and M2 (the sum of squared differences from the mean) of a numeric column. They are merged
pairwise (Chan, Golub & LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, 1979): plain
sums of squares would lose their digits where the mean is much larger than the deviation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.checks.table import table_problems
from fedgraft.common.plan.data_sections import MOST_CATEGORIES, MOST_TEXT, TableSection
from fedgraft.common.tables.encoding import Row

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Moments:
    """Count, mean and M2 of one column's known values; all 0 if there are none, or too few to be released."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation, divided by n; 1 for a constant column, whose scaled values are then 0.

        A column is constant, as for scikit-learn's `StandardScaler`, if rounding alone could give its variance.
        """
        variance = self.m2 / self.count
        rounding = self.count * _EPSILON * variance + (self.count * self.mean * _EPSILON) ** 2
        return 1.0 if variance <= rounding else math.sqrt(variance)

    def of_as_many(self, count: int) -> Moments:
        """The same mean and deviation, as if of another number of values."""
        return Moments(count, self.mean, self.m2 * (count / self.count))


@dataclass(frozen=True)
class TableStatistics:
    """Statistics of a table: ``numeric`` and ``categories`` (cases by category), in the order of the plan's columns."""

    numeric: tuple[Moments, ...]
    categories: tuple[Mapping[str, int], ...]

    def at_least(self, least: int) -> TableStatistics:
        """Without numeric columns of fewer than ``least`` known values, and without categories of fewer cases.

        Categories with more than `MOST_TEXT` characters or unprintable ones are left out too; of each column at most
        the `MOST_CATEGORIES` commonest remain.
        """
        return TableStatistics(
            numeric=tuple(one if one.count >= least else Moments() for one in self.numeric),
            categories=tuple(_releasable(counts, least) for counts in self.categories),
        )

    def of_patients(self, least: int, patients: Patients) -> TableStatistics:
        """Without numeric columns and categories whose values come from fewer than ``least`` patients."""
        return TableStatistics(
            numeric=tuple(
                one if count >= least else Moments() for one, count in zip(self.numeric, patients.numeric, strict=True)
            ),
            categories=tuple(
                {word: n for word, n in counts.items() if of[word] >= least}
                for counts, of in zip(self.categories, patients.categories, strict=True)
            ),
        )

    def without_few_missing(self, least: int, patients: Patients) -> TableStatistics:
        """With the number of all cases in the place of that of the known values of each column that 1 to ``least - 1``
        patients lack; mean and deviation stay."""
        numeric = [
            one.of_as_many(patients.cases) if one.count and 0 < lacking < least else one
            for one, lacking in zip(self.numeric, patients.lacking, strict=True)
        ]
        return replace(self, numeric=tuple(numeric))

    def in_steps(self, least: int) -> TableStatistics:
        """Cases by category rounded down to a multiple of ``least``."""
        counts = ({word: n // least * least for word, n in some.items()} for some in self.categories)
        return replace(self, categories=tuple(counts))

    def only(self, numeric: Sequence[bool], categories: Sequence[bool]) -> TableStatistics:
        """Without the columns whose entry is false."""
        return TableStatistics(
            tuple(one if told else Moments() for one, told in zip(self.numeric, numeric, strict=True)),
            tuple(one if told else {} for one, told in zip(self.categories, categories, strict=True)),
        )

    @property
    def is_nothing(self) -> bool:
        return not any(one.count for one in self.numeric) and not any(self.categories)


@dataclass(frozen=True)
class Patients:
    """How many different patients each of a site's statistics comes from, in the plan's order; never leaves the site.

    ``numeric``: patients with a known value of the column. ``categories``: patients by category. ``lacking``: patients
    with a case without a value of the numeric column. ``cases``: of all patients.
    """

    numeric: tuple[int, ...]
    categories: tuple[Mapping[str, int], ...]
    lacking: tuple[int, ...]
    cases: int


def nothing_of(table: TableSection) -> TableStatistics:
    """What is told by a site that tells nothing."""
    return TableStatistics(tuple(Moments() for _ in table.numeric), tuple({} for _ in table.categorical))


def moments(values: NDArray[np.float64]) -> Moments:
    """The moments of ``(N,)`` float64, without NaN, which means missing."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Moments()
    mean = float(known.mean())
    return Moments(len(known), mean, float(np.square(known - mean).sum()))


def merge(one: Moments, other: Moments) -> Moments:
    """The moments of the values of both."""
    if not one.count or not other.count:
        return other if other.count else one
    count, difference = one.count + other.count, other.mean - one.mean
    mean = one.mean + difference * (other.count / count)
    return Moments(count, mean, one.m2 + other.m2 + difference**2 * one.count * (other.count / count))


def describe(rows: Sequence[Row], table: TableSection) -> TableStatistics:
    """The statistics of all of a site's rows; what may leave the site is `TableStatistics.at_least` of it."""
    numbers = np.stack([row.numbers for row in rows]) if rows else np.zeros((0, len(table.numeric)))
    numeric = tuple(moments(numbers[:, place]) for place in range(len(table.numeric)))
    counts = (Counter(row.texts[place] for row in rows) for place in range(len(table.categorical)))
    return TableStatistics(numeric, tuple(dict(count) for count in counts))


def count_patients(rows: Sequence[Row], patients: Sequence[str], table: TableSection) -> Patients:
    """Count the patients behind each statistic; ``patients`` has one entry per row."""
    owned = list(zip(rows, patients, strict=True))
    with_value, without = (
        [
            len({who for row, who in owned if math.isnan(row.numbers[place]) is lacks})
            for place in _places(table.numeric)
        ]
        for lacks in (False, True)
    )
    pairs = ({(row.texts[place], patient) for row, patient in owned} for place in _places(table.categorical))
    words = tuple(dict(Counter(word for word, _ in some)) for some in pairs)
    return Patients(tuple(with_value), words, tuple(without), len(rows))


def _releasable(counts: Mapping[str, int], least: int) -> dict[str, int]:
    """The categories that may leave a site, sorted by name (`TableStatistics.at_least`)."""
    fit = [(word, n) for word, n in counts.items() if n >= least and 0 < len(word) <= MOST_TEXT and word.isprintable()]
    return dict(sorted(sorted(fit, key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES]))


def merge_all(parts: Iterable[TableStatistics], table: TableSection) -> TableStatistics:
    """The statistics of all sites' rows; the order of ``parts`` changes only the last digits."""
    given = list(parts)
    numeric = tuple(reduce(merge, (one.numeric[place] for one in given), Moments()) for place in _places(table.numeric))
    counts = (
        sum((Counter(one.categories[place]) for one in given), Counter[str]()) for place in _places(table.categorical)
    )
    return TableStatistics(numeric, tuple(dict(sorted(count.items())) for count in counts))


def _places(columns: Sequence[str]) -> range:
    return range(len(columns))


def resolved(table: TableSection, statistics: TableStatistics) -> TableSection:
    """The section with pooled means, deviations and alphabetical vocabularies, and ``statistics=plan``.

    Raises:
        PlanError: no site released anything of a column, or its numbers can't be used.
    """
    least = table.min_count
    problems = [
        f"table.numeric names {name}, of which no site told anything (a site tells of a column with known "
        f"values of {least} patients or more, or its own min_count); remove it, or give the numbers with "
        "table.statistics=plan"
        for name, one in zip(table.numeric, statistics.numeric, strict=True)
        if not one.count
    ]
    problems += [
        f"table.categorical names {name}, of which no site has a category with {least} patients or more (or its own "
        "min_count); remove it, or give the vocabulary with table.statistics=plan"
        for name, counts in zip(table.categorical, statistics.categories, strict=True)
        if not counts
    ]
    if problems:
        raise PlanError(problems)
    known = replace(
        table,
        statistics="plan",
        min_count=1,
        means={name: one.mean for name, one in zip(table.numeric, statistics.numeric, strict=True)},
        deviations={name: one.deviation for name, one in zip(table.numeric, statistics.numeric, strict=True)},
        vocabulary={name: tuple(words) for name, words in zip(table.categorical, statistics.categories, strict=True)},
    )
    problems = table_problems(known)
    if problems:
        raise PlanError(problems)
    return known

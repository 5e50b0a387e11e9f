"""Scores that hospitals told by groups of neighbouring cases (``release.scores: merged``), and where groups are so few
that scores from them can neither rank cases nor be calibrated by.

Within a group nobody knows which case has the higher score. With one or two groups of cases with a finding, a model
that tells all cases apart looks as if it guessed. How far figures are off, and why `GROUPS`: docs/trust.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedgraft.common import tasks
from fedgraft.common.calibration.figures import together
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.rounds.state import RunOutcome

GROUPS = 3
"""So many groups' cases with a class, and as many without it, must a hospital tell."""
SHARE = 0.1
"""Of all test cases: if hospitals with too few groups have more, no ranking figure over all hospitals is given."""

Counts = tuple[ScoreCounts, ...]
NOTHING = ScoreCounts(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Grouped:
    """How a run's sites told scores.

    Attributes:
        scored: the classes or findings with scores.
        offers: the sites' offers, by name.
    """

    scored: tuple[str, ...]
    offers: Mapping[str, Offer]

    def least(self, site: str) -> int:
        """Of how many cases a group is at a site, or of those that answer as one (secure sums); 0 if of none."""
        known = self.offers.get(site)
        return sum(one.grouped for one in self.offers.values()) if known is None else known.grouped

    def needed(self, site: str) -> int:
        """How many cases of each side scores of a site must be of."""
        return GROUPS * self.least(site)

    def blurred(self, site: str, counts: ScoreCounts) -> bool:
        """Whether a side has cases, and too few."""
        sides = int(counts.negatives.sum()), int(counts.positives.sum())
        return any(0 < side < self.needed(site) for side in sides)

    def is_blurred(self, site: str, evaluation: Evaluation | None) -> bool:
        """Whether more than half of the classes or findings of an evaluation are."""
        counts = () if evaluation is None else evaluation.score_counts()
        return 2 * sum(self.blurred(site, one) for one in counts) > len(counts)

    def clear(self, site: str, counts: Counts) -> Counts:
        """The scores of a site without those that are blurred."""
        return tuple(NOTHING if self.blurred(site, one) else one for one in counts)

    def why(self, site: str) -> str:
        """Of a site whose scores can't be fitted to, in words."""
        return (
            f"it tells scores in groups of {self.least(site)} cases or more, and has fewer than {self.needed(site)} "
            "validation cases with or without it"
        )


def grouped_of(plan: Plan, outcome: RunOutcome) -> Grouped:
    """How the sites of a run told scores."""
    return Grouped(tasks.of(plan.data).scored, outcome.offers)


def told_in_groups(
    grouped: Grouped, validation: Mapping[str, Evaluation], tests: Mapping[str, Evaluation]
) -> dict[str, Any] | None:
    """The key ``scores`` of ``summary.json``; ``None`` if every site tells each case's score."""
    sizes = {name: one.grouped for name, one in sorted(grouped.offers.items()) if one.grouped}
    if not sizes or not grouped.scored:
        return None
    few = sorted(name for name, one in tests.items() if grouped.is_blurred(name, one))
    cases = sum(one.cases for one in tests.values())
    share = sum(tests[name].cases for name in few) / cases if cases else 0.0
    return {
        "in_groups_of": sizes,
        "needed": {name: GROUPS * size for name, size in sizes.items()},
        "too_few": {
            "val": sorted(name for name, one in validation.items() if grouped.is_blurred(name, one)),
            "test": few,
        },
        "share": round(share, 6),
        "ranked": share <= SHARE,
    }


def grouped_sentences(plan: Plan, told: Mapping[str, Any] | None) -> Iterator[str]:
    """What a reader must know of test figures, and of a choice by validation cases."""
    few = {"val": [], "test": []} if told is None else told["too_few"]
    heading = tasks.of(plan.data).columns[tasks.of(plan.data).headline]
    if few["test"]:
        yield (
            f"{heading} and all figures that rest on the order of scores are too low for {', '.join(few['test'])}, and "
            "mean nothing there: scores came in groups, and fewer test cases with or without it than "
            f"{GROUPS} groups hold (docs/trust.md)"
        )
    if few["val"] and plan.select == "best":
        yield (
            "select=best chose the final model by validation figures of scores in too few groups: "
            f"{', '.join(few['val'])}"
        )


@dataclass(frozen=True)
class Fits:
    """What validation cases by groups leave to fit to.

    Attributes:
        grouped: how they were told.
        cases: how many each site told.
        counts: of each site that has any left, the scores that can be fitted to; empty ones of the other classes.
        few: by class or finding, the sites whose scores of it came in too few groups.
        raw: the classes or findings of which nothing is left, and why.
    """

    grouped: Grouped
    cases: Mapping[str, int]
    counts: Mapping[str, Counts]
    few: Mapping[str, tuple[str, ...]]
    raw: Mapping[str, str]

    def sentences(self) -> Iterator[str]:
        """What was not fitted, or not to whose cases."""
        yield from dict.fromkeys(self.raw.values())
        partly = {name: few for name, few in self.few.items() if name not in self.raw}
        for few in dict.fromkeys(partly.values()):
            names = ", ".join(name for name, one in partly.items() if one == few)
            yield (
                f"calibration, thresholds and sets of answers for {names} rest on the other hospitals' validation "
                f"cases: {_told(self.grouped, few)}"
            )


def fits(grouped: Grouped, validation: Mapping[str, Evaluation]) -> Fits:
    """What can be fitted to the validation cases of sites."""
    told = {name: one.score_counts() for name, one in validation.items()}
    clear = {name: grouped.clear(name, counts) for name, counts in told.items()}
    few, raw = {}, dict[tuple[str, ...], list[str]]()
    for place, scored in enumerate(grouped.scored):
        here = tuple(name for name, counts in told.items() if grouped.blurred(name, counts[place]))
        if here:
            few[scored] = here
            if together([counts[place] for counts in clear.values()]).one_sided:
                raw.setdefault(here, []).append(scored)
    because = {scored: _not_fitted(grouped, here, names) for here, names in raw.items() for scored in names}
    left = {name: one for name, one in clear.items() if any(each.cases for each in one)}
    return Fits(grouped, {name: one.cases for name, one in validation.items()}, left, few, because)


def _not_fitted(grouped: Grouped, sites: Sequence[str], names: Sequence[str]) -> str:
    return (
        f"neither calibration nor thresholds nor sets of answers were fitted for {', '.join(names)}: "
        f"{_told(grouped, sites)}; probabilities and the threshold (0.5) are the raw model's"
    )


def _told(grouped: Grouped, sites: Sequence[str]) -> str:
    sizes = sorted({grouped.least(name) for name in sites})
    many = " or ".join(str(size) for size in sizes)
    needed = " or ".join(str(GROUPS * size) for size in sizes)
    return (
        f"{', '.join(sites)} tell{'s' * (len(sites) == 1)} scores in groups of {many} cases or more, and fewer than "
        f"{needed} validation cases with or without it are too few groups to fit to (docs/trust.md)"
    )

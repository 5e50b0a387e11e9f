"""Scores that hospitals told by groups of neighbouring cases (``release.scores: merged``), and where groups are so few
that scores from them can neither rank cases nor be calibrated by.

Within a group nobody knows which case has the higher score. With one or two groups of cases with a finding, a model
that tells all cases apart looks as if it guessed. How far figures are off, and why `GROUPS`: docs/trust.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask, Evaluation

GROUPS = 3
"""So many groups' cases with a class, and as many without it, must a hospital tell."""
SHARE = 0.1
"""Of all cases: if hospitals with too few groups have more, no ranking figure over all hospitals is given."""

Counts = tuple[ScoreCounts, ...]
NOTHING = ScoreCounts(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class Grouped:
    """How a run's sites told scores.

    Attributes:
        scored: the classes or findings with scores.
        sizes: of how many cases or more a group is, by site; without those that tell each case's score.
        sites: the names of all sites.
    """

    scored: tuple[str, ...]
    sizes: Mapping[str, int]
    sites: Collection[str]

    def least(self, site: str) -> int:
        """Of how many cases a group is at a site, or of those that answer as one (secure sums); 0 if of none."""
        return sum(self.sizes.values()) if site not in self.sites else self.sizes.get(site, 0)

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

    def too_few(self, evaluations: Mapping[str, Evaluation]) -> list[str]:
        """The sites whose evaluations are blurred."""
        return sorted(name for name, one in evaluations.items() if self.is_blurred(name, one))

    def share(self, evaluations: Mapping[str, Evaluation], few: Sequence[str] | None = None) -> float:
        """The share of all cases that are of such sites (``few``, if these are known already)."""
        cases, few = sum(one.cases for one in evaluations.values()), self.too_few(evaluations) if few is None else few
        return sum(evaluations[name].cases for name in few) / cases if cases else 0.0

    def ranks(self, evaluations: Mapping[str, Evaluation], few: Sequence[str] | None = None) -> bool:
        """Whether figures over all these cases that rest on the order of scores can be given."""
        return self.share(evaluations, few) <= SHARE


def grouped_by(task: AnyTask, sizes: Mapping[str, int]) -> Grouped:
    """How sites tell scores, by of how many cases or more a group is at each; 0 if it tells each case's."""
    return Grouped(task.scored, {name: size for name, size in sizes.items() if size}, sizes.keys())

"""Differences between the federation and a baseline, with intervals over seeds and test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.study.certainty.sampling import SeedScores, few_sites, paired_at, variance_at, variance_over
from fedgraft.simulations.study.certainty.verdict import by_site_sentence, outcome_of, untold, verdict
from fedgraft.simulations.study.figures import (
    Difference,
    Values,
    common_sites,
    difference,
    minus_at,
    minus_over_sites,
    plain,
)

MARGIN = 0.02


@dataclass(frozen=True)
class Judging:
    """How differences are judged.

    Attributes:
        margin: a gain in the headline figure that is not worth a federation.
        shared: as for `fedgraft.simulations.study.figures.difference`.
        same_cases: as for `fedgraft.simulations.study.certainty.sampling.variance_over`.
    """

    margin: float = MARGIN
    shared: float = 1.0
    same_cases: bool = False


def judging(plan: Plan, margin: float | None, folds: int | None) -> Judging:
    """How the study of a plan judges. Of each site's cases a seed draws ``data.test_fraction`` for testing, and two
    seeds' draws have that part of them in common; with folds, and with a test set that is given, it is all."""
    drawn = plan.data.test == "sites" and folds is None
    shared = plan.data.test_fraction if drawn else 1.0
    return Judging(MARGIN if margin is None else margin, shared, plan.data.test == "coordinator")


@dataclass(frozen=True)
class Compared:
    """What is compared.

    Attributes:
        values: figures by method, seed and site.
        tests: by method and seed.
        first: the method from which others are subtracted.
    """

    values: Values
    tests: Mapping[str, Sequence[SeedScores]]
    first: str
    judging: Judging

    @property
    def few(self) -> list[list[str]]:
        """By seed, the sites with too few test cases of a side: they have figures, and count in no mean."""
        return [few_sites(methods) for methods in zip(*self.tests.values(), strict=True)]

    @property
    def none_enough(self) -> bool:
        """Whether that is so of all sites, with every seed; then all count, and nothing can be told."""
        return all(set(figures) <= set(few) for figures, few in self._with_few(self.values[self.first]))

    @property
    def enough(self) -> Values:
        """`values` without those of sites with too few test cases."""
        if self.none_enough:
            return self.values
        return {
            method: [{s: one for s, one in figures.items() if s not in few} for figures, few in self._with_few(by_seed)]
            for method, by_seed in self.values.items()
        }

    def at(self, baseline: str, site: str) -> Difference:
        """At a site."""
        each = [variance_at(one, other, site) for one, other in self._pairs(baseline)]
        return difference(minus_at(self.values, self.first, baseline, site), each, self.judging.shared)

    def over(self, baseline: str) -> Difference:
        """Between means over sites."""
        counted = common_sites(self.enough)
        each = [
            variance_over(one, other, sites, self.judging.same_cases)
            for (one, other), sites in zip(self._pairs(baseline), counted, strict=True)
        ]
        return difference(minus_over_sites(self.enough, self.first, baseline), each, self.judging.shared)

    def plain(self, baseline: str, sites: Sequence[str]) -> dict[str, Any]:
        """The key ``difference.<baseline>`` of ``study.json``."""
        return {
            "mean_over_sites": plain(self.over(baseline)),
            "by_site": {site: plain(self.at(baseline, site)) for site in sites},
        }

    def verdict(self, baseline: str, sites: Sequence[str], heading: str, cases: int) -> dict[str, Any]:
        """The keys ``verdict``, ``verdict_by_site`` and ``judged``."""
        over = self.over(baseline)
        found = verdict(over, heading, self.judging.margin, cases, self.judging.shared)
        if self.none_enough and over.low is not None:
            found = untold(over, heading, cases)
        few = {site for some in self.few for site in some}
        by_site = {site: plain(self.at(baseline, site)) for site in sites if site not in few}
        outcomes = {
            site: outcome_of(self.at(baseline, site), self.judging.margin)
            for site, one in by_site.items()
            if one["low"] is not None or one["same"]
        }
        judged = {
            "outcome": found.outcome,
            "margin": self.judging.margin,
            "cases": found.cases,
            "cases_needed": found.cases_needed,
            "seeds_needed": found.seeds_needed,
            "by_site": outcomes,
            "paired": self.paired(baseline),
        }
        said = by_site_sentence(by_site, outcomes, self.judging.margin) if outcomes else ""
        return {"verdict": found.words, "verdict_by_site": said, "judged": judged}

    def _pairs(self, baseline: str) -> list[tuple[SeedScores, SeedScores]]:
        return list(zip(self.tests[self.first], self.tests[baseline], strict=True))

    def _with_few(self, by_seed: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], list[str]]]:
        return list(zip(by_seed, self.few, strict=True))

    def paired(self, baseline: str) -> bool:
        """Whether every counted site's difference is of the same cases' scores."""
        counted = common_sites(self.enough)
        return all(
            paired_at(one, other, site) is not None
            for (one, other), sites in zip(self._pairs(baseline), counted, strict=True)
            for site in sites
        )

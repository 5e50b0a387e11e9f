"""The variance of a difference between two methods that comes from the choice of test cases.

Of sites that wrote down their test cases' scores, as simulated ones do, the two methods are compared on the same cases
(DeLong et al. 1988, equation 5). Score histograms carry no such pairing: from them the two figures count as
independent, which is more than the variance of two models that make the same errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.tasks.areas import Area, area, area_of, influence, mean_area, too_few
from fedgraft.simulations.engine.predictions import CaseScores
from fedgraft.simulations.study.figures import Figure

SAME = 0.005
"""How far the AUROC of the scores may be from that of the evaluation (which is of the binned scores)."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SeedScores:
    """The test of one method with one seed: evaluations by site, and scores by site as far as they are known."""

    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    scores: Mapping[str, CaseScores] = field(default_factory=dict)

    def scored(self, site: str) -> CaseScores | None:
        """The scores, if they are those that the evaluation is of (with ``select=best`` and folds they are not)."""
        scores, whole = self.scores.get(site), area_of(self.evaluations[site])
        found = None if scores is None else _auroc(scores)
        return scores if found is not None and whole is not None and abs(found - whole.value) < SAME else None


def few_sites(methods: Sequence[SeedScores]) -> list[str]:
    """Sites whose test cases are too few to say anything of them."""
    return sorted({site for one in methods for site, evaluation in one.evaluations.items() if too_few(evaluation)})


def paired_at(one: SeedScores, other: SeedScores, site: str) -> tuple[CaseScores, CaseScores] | None:
    """The two methods' scores of the same cases; ``None`` if they are not known."""
    if site not in one.evaluations or site not in other.evaluations:
        return None
    mine, theirs = one.scored(site), other.scored(site)
    if mine is None or theirs is None or not np.array_equal(mine.truth, theirs.truth, equal_nan=True):
        return None
    return mine, theirs


def variance_at(one: SeedScores, other: SeedScores, site: str) -> Figure:
    """The variance of the difference of the two AUROCs at a site over samples of its cases; ``None`` if unknown."""
    areas = [area_of(each.evaluations[site]) if site in each.evaluations else None for each in (one, other)]
    known = [each for each in areas if each is not None and not math.isnan(each.variance)]
    if len(known) < 2:
        return None
    pair = paired_at(one, other, site)
    if pair is None:
        return math.fsum(each.variance for each in known)
    moved = influence(pair[0].scores, pair[0].truth) - influence(pair[1].scores, pair[1].truth)
    return float(moved @ moved)


def variance_over(one: SeedScores, other: SeedScores, sites: Sequence[str], same_cases: bool) -> Figure:
    """The same of the difference of the means over sites; ``None`` if one site's is unknown.

    Args:
        same_cases: whether all sites' figures are of the same cases (``data.test=coordinator``): then their errors may
            all go together.
    """
    each = [variance_at(one, other, site) for site in sites]
    known = [variance for variance in each if variance is not None]
    if not known or len(known) < len(each):
        return None
    if same_cases:
        return (math.fsum(map(math.sqrt, known)) / len(known)) ** 2
    return math.fsum(known) / len(known) ** 2


def _auroc(one: CaseScores) -> float | None:
    found = [_area(one.scores[:, place], one.truth[:, place]) for place in range(one.scores.shape[1])]
    whole = mean_area([each for each in found if each is not None])
    return None if whole is None else whole.value


def _area(scores: Floats, truth: Floats) -> Area | None:
    known = ~np.isnan(truth)
    levels, where = np.unique(scores[known], return_inverse=True)
    sides = [np.bincount(where, truth[known] == side, minlength=len(levels)).astype(np.int64) for side in (0, 1)]
    return area(ScoreCounts(levels, *sides))

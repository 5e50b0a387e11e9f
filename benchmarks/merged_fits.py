"""What scores told by groups do to calibration, thresholds and sets of answers, by the number of cases of each side.

    python benchmarks/merged_fits.py [--least 5] [--draws 40] [--seed 0] [--sites 5] [--apart 1.5] [--share 0.5]
        [--shift 1]

Scores are log odds of two normal distributions, twice too large and ``--shift`` too high. Each site has the same number
of validation cases; everything is fitted to all sites' cases together, from their own scores (exact) and from groups
(merged), and judged on 20,000 new cases: the log loss of the raw model and after calibration (temperature), Youden's
index at the chosen threshold, and how often a set that is promised to hold the true answer for 90 % does, and of how
many answers it is: with groups as they are told, and by whole groups (`fedgraft.common.decisions.conformal`).
"""

from __future__ import annotations

import numpy as np
from merged_arguments import options
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fedgraft.common.calibration.figures import together
from fedgraft.common.calibration.fit import fit
from fedgraft.common.calibration.maps import Map
from fedgraft.common.decisions.conformal import bounds, inside, whole_groups
from fedgraft.common.decisions.counts import mixed
from fedgraft.common.decisions.operating import threshold
from fedgraft.common.interfaces.scores import Answer
from fedgraft.common.tasks.metrics import Histograms, count_places, merge_histograms, places

CASES, TESTS, MISS = (10, 15, 20, 30, 40, 50, 75, 100), 20_000, 0.1
ANSWERS = (Answer("class", "well", 0, False), Answer("class", "ill", 0, True))
Drawn = tuple[NDArray[np.float64], NDArray[np.bool_]]


def draw(cases: int, share: float, apart: float, chance: np.random.Generator, shift: float = 1.0) -> Drawn:
    """Scores and labels, with cases of both sides."""
    while True:
        ill = chance.random(cases) < share
        if ill.any() and not ill.all():
            odds = apart * (chance.normal(size=cases) + apart * ill) - apart**2 / 2 + np.log(share / (1 - share))
            return 2 * odds + shift, ill


def loss(tests: Drawn, one: Map) -> float:
    """The mean log loss behind a map."""
    odds = one(tests[0])
    return float(np.mean(np.logaddexp(0, np.where(tests[1], -odds, odds))))


def judged(told: list[Histograms], tests: Drawn, least: int = 0) -> tuple[float, ...]:
    """Log loss and Youden's index of what is fitted to these histograms; of sets by them as they are told, how often
    they hold the true answer and how many they hold, and the same of sets by whole groups of ``least``."""
    (counts,) = merge_histograms(told).score_counts()
    weighed, (scores, ill) = [mixed(None, counts, None)], tests
    cut = threshold(weighed[0], "youden", None)
    index = float((scores[ill] >= cut).mean() + (scores[~ill] < cut).mean() - 1)
    strange = together([whole_groups(one.score_counts()[0], least) for one in told])
    figures = [loss(tests, fit("temperature", [counts])[0]), index]
    for known in (weighed, [mixed(None, strange, None)]):
        sets = inside(ANSWERS, bounds(ANSWERS, known, MISS, True), scores[:, None])
        figures += [np.where(ill, sets[:, 1], sets[:, 0]).mean(), sets.sum(axis=1).mean()]
    return tuple(map(float, figures))


def main() -> None:
    parser = options(__doc__, 40)
    parser.add_argument("--sites", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--share", type=float, default=0.5, help="of positive cases (%(default)s)")
    parser.add_argument("--shift", type=float, default=1.0, help="of all scores (%(default)s)")
    given = parser.parse_args()
    chance = np.random.default_rng(given.seed)
    tests = draw(TESTS, given.share, given.apart, chance, given.shift)
    columns = ("loss: raw", "exact", "merged", "Youden: exact", "merged")
    sets = ("sets: exact", "as told", "whole groups", "answers: exact", "as told", "whole groups")
    table = Table("cases a site", *columns, *sets)
    for cases in CASES:
        found = []
        for _ in range(given.draws):
            drawn = [draw(cases, given.share, given.apart, chance, given.shift) for _ in range(given.sites)]
            fine = [count_places(places(scores[:, None], ill[:, None]), 1) for scores, ill in drawn]
            told = [one.merged(given.least) for one in fine]
            found.append((*judged(fine, tests), *judged(told, tests, given.least)))
        exact, merged = np.mean(found, axis=0)[:6], np.mean(found, axis=0)[6:]
        shown = [exact[0], merged[0], exact[1], merged[1]]
        shown += [exact[2], merged[2], merged[4], exact[3], merged[3], merged[5]]
        table.add_row(str(cases), *(f"{value:.3f}" for value in (loss(tests, Map()), *shown)))
    Console().print(table)


if __name__ == "__main__":
    main()

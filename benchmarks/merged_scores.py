"""How far figures from merged score histograms are from those of the cases' own scores.

    python benchmarks/merged_scores.py [--least 5] [--draws 200] [--seed 0] [--apart 1.5]

Scores are drawn from two normal distributions. Prints, for numbers of cases and shares of positive ones, the largest
and the mean difference of the areas over the draws. What it does to calibration, thresholds and sets:
`benchmarks/merged_fits.py`.
"""

from __future__ import annotations

import numpy as np
from merged_arguments import options
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score, roc_auc_score

from fedgraft.common.tasks.metrics import auprc, auroc, count_places, places

CASES, SHARES = (10, 20, 30, 50, 100, 600, 1000), (0.5, 0.2, 0.1)


def differences(
    cases: int, share: float, apart: float, least: int, draws: int, chance: np.random.Generator
) -> np.ndarray:
    """``(draws, 2)``: area under the ROC curve and average precision, merged minus exact."""
    found = []
    while len(found) < draws:
        labels = chance.random(cases) < share
        if labels.all() or not labels.any():
            continue
        scores = chance.normal(size=cases) + apart * labels
        curve = count_places(places(scores[:, None], labels[:, None]), 1).merged(least).curve(0)
        exact = roc_auc_score(labels, scores), average_precision_score(labels, scores)
        found.append((auroc(curve) - exact[0], auprc(curve) - exact[1]))
    return np.array(found)


def main() -> None:
    given = options(__doc__, 200).parse_args()
    chance = np.random.default_rng(given.seed)
    table = Table("cases", "positive", "AUROC: largest", "mean", "AUPRC: largest", "mean")
    for cases in CASES:
        for share in SHARES:
            found = differences(cases, share, given.apart, given.least, given.draws, chance)
            largest, mean = np.abs(found).max(axis=0), found.mean(axis=0)
            cells = (largest[0], mean[0], largest[1], mean[1])
            table.add_row(str(cases), f"{share:.0%}", *(f"{cell:.4f}" for cell in cells))
    Console().print(table)


if __name__ == "__main__":
    main()

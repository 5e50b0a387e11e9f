"""Scores far beyond what a calibrated model gives still rank: they must not pile up in the last bin."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from fedgraft.common.tasks.classification import Classification


def test_log_odds_in_the_thousands_rank_as_scikit_learn_ranks_them() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    logits = np.zeros((2000, 2))
    logits[:, 1] = 3000 + 800 * rng.standard_normal(2000) + 500 * labels
    (found,) = Classification(("clear", "ill")).evaluate_parts(logits, labels, [2000])
    figures = found.figures()
    assert abs(figures["auroc"] - roc_auc_score(labels, logits[:, 1])) < 2e-3
    assert abs(figures["auprc"] - average_precision_score(labels, logits[:, 1])) < 5e-3

import numpy as np
import pytest

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.delong import auroc_interval, auroc_with_variance


def counts(scores: np.ndarray, sick: np.ndarray) -> ScoreCounts:
    levels = np.unique(scores)
    table = [[int(((scores == level) & (sick == side)).sum()) for level in levels] for side in (False, True)]
    return ScoreCounts(levels, np.array(table[0]), np.array(table[1]))


def test_the_variance_is_delong_s_over_pairs_of_cases():
    drawn = np.random.default_rng(0)
    sick = drawn.random(80) < 0.3
    scores = np.round(drawn.normal(size=80) + sick, 1)  # with ties
    pairs = (scores[sick][:, None] > scores[~sick]) + 0.5 * (scores[sick][:, None] == scores[~sick])
    variance = pairs.mean(axis=1).var(ddof=1) / sick.sum() + pairs.mean(axis=0).var(ddof=1) / (~sick).sum()
    assert auroc_with_variance(counts(scores, sick)) == (pytest.approx(pairs.mean()), pytest.approx(variance))


def test_the_interval_holds_the_truth_as_often_as_it_says():
    drawn, held = np.random.default_rng(1), []
    truth = 0.7602  # of two normal distributions one apart: Phi(1 / sqrt(2))
    for _ in range(400):
        sick = np.arange(120) < 40
        found = auroc_with_variance(counts(np.round(drawn.normal(size=120) + sick, 3), sick))
        assert found is not None
        low, high = auroc_interval(*found)
        held.append(low <= truth <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_one_case_of_a_side_has_no_variance_and_a_perfect_model_no_interval():
    assert auroc_with_variance(ScoreCounts(np.array([0.0, 1.0]), np.array([5, 0]), np.array([0, 1]))) is None
    assert auroc_interval(1.0, 0.0) == (0.0, 1.0)

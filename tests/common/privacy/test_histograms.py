"""Evaluations from counts of scores with noise: what the counts are, what noise does to them, and how far."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.common.privacy.histograms import BINS, MIDDLES, Counted, bin_of, nearest, with_one_top
from fedgraft.common.tasks.classification import Classification

TWO, THREE = Counted(2), Counted(3)


def test_a_case_gives_one_to_each_of_its_counts_and_no_more() -> None:
    assert TWO.cells(np.array([[-99.0], [0.1], [99.0]]), np.array([0, 0, 1])).tolist() == [[0], [12], [2 * BINS - 1]]
    found = THREE.cells(np.array([[2.0, -3.0, -3.0]]), np.array([2]))
    near, far = bin_of(np.array([2.0, -3.0])).tolist()
    assert found.tolist() == [[near, 2 * BINS + far, 5 * BINS + far, 6 * BINS + 2 * 3 + 0]]
    assert (TWO.size, TWO.bound, THREE.size, THREE.bound) == (2 * BINS, 1.0, 6 * BINS + 9, 2.0)


def test_counts_without_noise_are_the_evaluation_of_their_cases() -> None:
    """Each figure from cases in the middles of their bins."""
    told = np.zeros(TWO.size)
    told[[10, 11, 12]], told[[BINS + 11, BINS + 12, BINS + 13]] = (1, 2, 1), (1, 3, 2)
    found = TWO.evaluation(told)
    assert found.confusion.tolist() == [[3, 1], [1, 5]]
    pairs = 1 * (1 + 2 / 2) + 3 * (1 + 2 + 1 / 2) + 2 * 4
    assert found.figures()["auroc"] == pytest.approx(pairs / 24)
    low, middle, high = MIDDLES[[10, 12, 13]]
    losses = [np.logaddexp(0, x) for x in (low, -middle, -middle, middle)]
    losses += [np.logaddexp(0, -x) for x in (-middle, middle, middle, middle, high, high)]
    assert found.loss_sum == pytest.approx(sum(losses))
    assert TWO.counts(found).tolist() == told.tolist()


def test_of_several_classes_all_counts_agree_and_survive_the_wire() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    scores = rng.normal(0, 1, (300, 3)) + 2.0 * np.eye(3)[labels]
    told = np.bincount(THREE.cells(scores, labels).ravel(), minlength=THREE.size) + rng.normal(0, 3, THREE.size)
    found, task = THREE.evaluation(told), Classification(("a", "b", "c"))
    again = task.unpack(found.pack())
    assert again.figures() == found.figures()
    assert found.cases == pytest.approx(300, abs=30) and (found.figures()["auroc"] or 0) > 0.8


def test_bins_are_half_a_log_odds_wide_in_the_middle_and_meet_at_0() -> None:
    assert bin_of(np.array([-1e-9, 1e-9])).tolist() == [11, 12]
    assert bin_of(MIDDLES).tolist() == list(range(BINS))
    assert MIDDLES[12] == pytest.approx(0.25, abs=0.01) and MIDDLES[13] - MIDDLES[12] == pytest.approx(0.5, abs=0.03)


def test_counts_become_the_nearest_that_can_be() -> None:
    assert nearest(np.array([3.0, -1.0, 1.0])).tolist() == [2.5, 0.0, 0.5]
    assert nearest(np.array([1.0, -4.0])).tolist() == [0.0, 0.0], "of no case"
    assert nearest(np.array([1.0, 2.0]), 5.0).tolist() == [2.0, 3.0]
    assert with_one_top(np.array([0.0, 5.0, 3.0, 4.0, 0.0])).tolist() == [0.0, 5.0, 3.5, 3.5, 0.0]


def test_the_error_is_that_of_many_sums_with_noise() -> None:
    """Against the spread of AUROC over 200 draws of noise on the true counts."""
    rng, deviation = np.random.default_rng(1), 1.5
    scores = np.concatenate([rng.normal(-1.5, 1.5, 150), rng.normal(1.5, 1.5, 150)])
    labels = np.repeat([0, 1], 150)
    told = np.bincount(TWO.cells(scores[:, None], labels).ravel(), minlength=TWO.size).astype(np.float64)
    true = TWO.evaluation(told).figures()["auroc"]
    drawn = [
        TWO.evaluation(told + deviation * rng.standard_normal(TWO.size)).figures()["auroc"] or 0 for _ in range(200)
    ]
    spread = float(np.sqrt(np.mean((np.array(drawn) - (true or 0)) ** 2)))
    assert TWO.errors(TWO.evaluation(told), deviation)["auroc"] == pytest.approx(spread, rel=0.3)
    assert spread < 0.04


def test_a_figure_that_noise_may_leave_undefined_has_no_error() -> None:
    told = np.zeros(TWO.size)
    told[5] = 3.0
    assert "auroc" not in TWO.errors(TWO.evaluation(told), 2.0)

"""Score histograms: areas of hand-made ones, and what is held of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from fedgraft.common.tasks.metrics import (
    BINS,
    Curve,
    Histograms,
    auprc,
    auroc,
    count_places,
    mean,
    merge_histograms,
    places,
    ratio,
    sensitivity_at,
)


def test_curves_of_hand_made_histograms() -> None:
    # negatives at 10 and 20; positives at 20 and, twice, at 30
    curve = Histograms(1, np.array([10, 20, BINS + 20, BINS + 30]), np.array([1, 1, 1, 2])).curve(0)
    # six pairs: the one at 20 beats 10 and ties with 20 (1.5), each of the two at 30 beats both
    assert auroc(curve) == pytest.approx(5.5 / 6)
    # thresholds: 2 of 2 at 30, 3 of 4 at 20
    assert auprc(curve) == pytest.approx((2 * 1 + 1 * 3 / 4) / 3)


def test_a_score_has_a_histogram_for_each_side() -> None:
    where = places(np.array([[-1.0, 2.0], [1.0, 0.0]]), np.array([[False, True], [True, False]]))
    found = count_places(where, 2)
    assert (where // BINS).tolist() == [[0, 3], [1, 2]]
    assert found.sides.tolist() == [[1, 1], [1, 1]]
    assert found.without([0]).sides.tolist() == [[0, 0], [1, 1]]
    assert merge_histograms([found, found]).counts.tolist() == [2, 2, 2, 2]


def test_what_has_no_whole_is_undefined() -> None:
    assert ratio(1, 4) == 0.25
    assert ratio(0, 0) is None
    assert mean([1.0, 3.0]) == 2.0
    assert mean([1.0, None]) is None
    assert mean([]) is None


def test_sensitivity_at_a_specificity_by_hand() -> None:
    # ten negatives, four positives; ascending scores. From the top: 2 positives, 1 negative, 1 positive, the rest
    curve = [(9, 1), (0, 1), (1, 0), (0, 2)]
    assert sensitivity_at(curve, 0.9) == pytest.approx(3 / 4)  # one false positive is allowed, and the rise after it
    assert sensitivity_at(curve, 0.95) == pytest.approx(2 / 4)  # half of a step that gains nothing
    assert sensitivity_at(curve, 1.0) == pytest.approx(2 / 4)
    # nine more false positives bring the last positive: at 0.45 half of them
    assert sensitivity_at(curve, 0.45) == pytest.approx((3 + 4.5 / 9) / 4)


def test_sensitivity_is_interpolated_between_two_thresholds() -> None:
    # the first threshold has 4 of 10 negatives and 8 of 8 positives: a quarter of the way there is 0.1
    assert sensitivity_at([(6, 0), (4, 8)], 0.9) == pytest.approx(0.25)


@pytest.mark.parametrize("curve", [[], [(3, 0)], [(0, 3), (0, 1)]])
def test_sensitivity_at_a_specificity_needs_both_sides(curve: Curve) -> None:
    assert sensitivity_at(curve, 0.9) is None


@pytest.mark.parametrize("seed", range(6))
def test_sensitivity_at_a_specificity_against_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, 30, 157), rng.integers(0, 2, 157)
    curve = [
        (int(((scores == s) & (labels == 0)).sum()), int(((scores == s) & (labels == 1)).sum())) for s in range(30)
    ]
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert sensitivity_at(curve, 0.9) == pytest.approx(np.interp(0.1, false, true))

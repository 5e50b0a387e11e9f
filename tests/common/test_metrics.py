"""Score histograms: areas of hand-made ones, and what is held of them."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.common.metrics import BINS, Histograms, auprc, auroc, count_places, mean, merge_histograms, places, ratio


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

"""Weights of sites from their losses; numbers are worked out by hand, q-FFL's are compared with Flower's own."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.serverapp.strategy.qfedavg import compute_delta_and_h

from fedgraft.common.fair.weights import at_most, group_dro, held, q_ffl

LOSSES, CASES = np.array([1.0, 2, 4]), np.array([2.0, 1, 1])


def test_q_ffl_by_hand() -> None:
    """q=1: 2*1, 1*2, 1*4 of 8; q=0: by cases; with rate 2 and squares 3: h adds 1 * cases * 3 / 2, 6 in all."""
    nothing = np.zeros(3)
    assert q_ffl(LOSSES, CASES, nothing, 1, None).tolist() == [0.25, 0.25, 0.5]
    assert q_ffl(LOSSES, CASES, nothing, 0, None).tolist() == [0.5, 0.25, 0.25]
    assert q_ffl(LOSSES, CASES, np.full(3, 3.0), 1, 2.0) == pytest.approx(np.array([2, 2, 4]) / 14)


def test_q_ffl_is_flower_s_with_equal_cases() -> None:
    rng = np.random.default_rng(0)
    before, q, rate = rng.normal(size=5), 0.7, 0.3
    after = [rng.normal(size=5) for _ in LOSSES]
    found = [
        compute_delta_and_h([before], [one.copy()], q, 1 / rate, loss) for one, loss in zip(after, LOSSES, strict=True)
    ]
    moved = before - sum(delta[0] for delta, _ in found) / sum(h for _, h in found)
    squares = np.array([((one - before) ** 2).sum() for one in after])
    parts = q_ffl(LOSSES, np.ones(3), squares, q, rate)
    ours = before + sum(part * (one - before) for part, one in zip(parts, after, strict=True))
    assert ours == pytest.approx(moved)


def test_group_dro_by_hand() -> None:
    """e^(ln 2 * 1), e^(ln 2 * 2), e^(ln 2 * 3) = 2, 4, 8 of 14; then with none above a half: 1/6, 1/3, 1/2."""
    thirds, rate = np.full(3, 1 / 3), np.log(2)
    assert group_dro(thirds, np.array([1.0, 2, 3]), rate, 1.0) == pytest.approx(np.array([2, 4, 8]) / 14)
    assert group_dro(thirds, np.array([1.0, 2, 3]), rate, 0.5) == pytest.approx(np.array([1 / 6, 1 / 3, 1 / 2]))
    assert group_dro(np.full(2, 0.5), np.array([1.0, 900]), rate, 0.1).tolist() == [0.5, 0.5]


def test_a_site_that_lies_has_a_limit() -> None:
    """Of losses 1, 1, 1 and a million, q=1, most=3: the liar weighs 3 of 6, not all; group DRO never above a half."""
    told = at_most(np.array([1.0, 1, 1, 1e6]), 3.0)
    assert told.tolist() == [1, 1, 1, 3]
    assert q_ffl(told, np.ones(4), np.zeros(4), 1, None)[3] == 0.5
    weights = np.full(4, 0.25)
    for _ in range(200):
        weights = group_dro(weights, told, 0.5, 0.5)
    assert weights.max() <= 0.5 + 1e-9 and weights.sum() == pytest.approx(1)
    assert held(np.array([0.5, 0.4, 0.1]), 0.4) == pytest.approx([0.4, 0.4, 0.2])

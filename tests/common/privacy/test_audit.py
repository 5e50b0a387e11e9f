"""The bound that an attack gives, by hand and by its error rate."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from fedgraft.common.privacy.audit import least_epsilon


def test_all_guesses_right_by_hand() -> None:
    """10 of 10 with confidence 1 - 2**-5: chance ** 10 = 2**-5, so that the chance is sqrt(1/2)."""
    expected = log(0.5**0.5 / (1 - 0.5**0.5))
    assert least_epsilon(10, 10, 10, 0.0, 1 - 2**-5) == pytest.approx(expected, abs=1e-5)


def test_guesses_by_chance_show_nothing_and_a_delta_takes_something() -> None:
    assert least_epsilon(100, 100, 50, 0.0, 0.95) == 0.0
    assert 0 < least_epsilon(100, 100, 90, 1e-3, 0.95) < least_epsilon(100, 100, 90, 0.0, 0.95)


def test_the_bound_is_too_high_as_seldom_as_it_says() -> None:
    """Randomised response of epsilon 1, of which each answer is right with probability e / (1 + e)."""
    drawn = np.random.default_rng(0).binomial(100, 1 / (1 + np.exp(-1.0)), 1000)
    too_high = {int(right): least_epsilon(100, 100, int(right), 0.0, 0.95) > 1.0 for right in set(drawn)}
    wrong = np.mean([too_high[int(right)] for right in drawn])
    assert 0.015 < wrong <= 0.065

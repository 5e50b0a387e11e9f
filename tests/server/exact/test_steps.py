"""Noisy steps: by hand, and towards the optimum when there is no noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.server.exact.fit import Sums
from fedgraft.server.exact.steps import Moved, at_rest, rate_of, take_steps

SECTION = PrivacySection("record", steps=100, clip=0.5, jitter=2.0, most_rate=50.0, momentum=0.9)


def test_the_rate_gives_log_odds_the_jitter() -> None:
    """100 steps of deviation 20 * 0.5 over 1,000 patients: 10 * 10 / 1000 = 0.1, and sqrt(2) of it between two outputs;
    momentum multiplies by 10: 2 * 0.1 / (0.1 * sqrt(2))."""
    assert rate_of(SECTION, 20.0, 1000, 2) == pytest.approx(2.0 / 2**0.5)
    assert rate_of(SECTION, 20.0, 1000, 1) == pytest.approx(2.0)
    assert rate_of(SECTION, 1e-3, 1000, 1) == 50.0, "most_rate"
    assert rate_of(replace(SECTION, rate=7.0), 20.0, 1000, 2) == 7.0


def test_two_steps_by_hand() -> None:
    """A gradient of 8 over 4 cases is 2; the matrix has 4 columns: steps are a quarter. 1 - 2 / 4 = 0.5, velocity
    0.5 * 2 + 2 = 3, 0.5 - 3 / 4 = -0.25; the bias: 1 - 2 = -1, -1 - 3 = -4."""

    def ask(weights: dict[str, Tensor]) -> Sums:
        return Sums(float("nan"), {"w": torch.full((1, 4), 8.0), "b": torch.full((1,), 8.0)}, 4)

    found = take_steps(ask, at_rest({"w": torch.ones(1, 4), "b": torch.ones(1)}), 2, 1.0, 0.5)
    assert found.weights["w"].tolist() == [[-0.25] * 4] and found.weights["b"].tolist() == [-4.0]
    assert found.velocity["w"].tolist() == [[3.0] * 4]


def test_steps_go_on_where_earlier_ones_ended() -> None:
    def ask(weights: dict[str, Tensor]) -> Sums:
        return Sums(0.0, {"w": weights["w"] - 3.0}, 1)

    whole = take_steps(ask, at_rest({"w": torch.zeros(2)}), 40, 0.1, 0.9)
    half = take_steps(ask, at_rest({"w": torch.zeros(2)}), 20, 0.1, 0.9)
    rest = take_steps(ask, Moved(half.weights, half.velocity), 20, 0.1, 0.9)
    assert torch.equal(rest.weights["w"], whole.weights["w"])
    far = take_steps(ask, at_rest({"w": torch.zeros(2)}), 400, 0.1, 0.9)
    assert far.weights["w"].tolist() == pytest.approx([3.0, 3.0], abs=1e-4)

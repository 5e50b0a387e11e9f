"""Likelihood ratios and figures of attacks, worked out by hand or by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fedgraft.simulations.audit.likelihood import (
    Attacked,
    attacked_each,
    attacked_once,
    auroc,
    found_at,
    ratios,
    ratios_left_out,
)
from fedgraft.simulations.audit.words import interval, of_members


def test_a_ratio_is_that_of_two_normal_densities() -> None:
    shadows = torch.tensor([[4.0], [6.0], [1.0], [3.0]])
    inside = torch.tensor([[True], [True], [False], [False]])
    found = ratios(shadows, inside, torch.tensor([[5.5], [2.0]]))
    wide = 2**0.5  # of 4 and 6 about 5: (1 + 1) / 1, and so of 1 and 3 about 2
    for got, at in zip(found[:, 0].tolist(), (5.5, 2.0), strict=True):
        assert got == pytest.approx(norm.logpdf(at, 5, wide) - norm.logpdf(at, 2, wide), abs=1e-5)


def test_a_shadow_is_judged_by_the_others_alone() -> None:
    shadows = torch.tensor([[9.0], [4.0], [6.0], [1.0], [3.0]])
    inside = torch.tensor([[True], [True], [True], [False], [False]])
    found = ratios_left_out(shadows, inside)[0, 0].item()
    inner, outer = ((9 - 19 / 3) ** 2 + (4 - 19 / 3) ** 2 + (6 - 19 / 3) ** 2) / 2, 2.0  # variances, of all
    expected = norm.logpdf(9, 5, inner**0.5) - norm.logpdf(9, 2, outer**0.5)  # means, without the 9
    assert found == pytest.approx(expected, abs=1e-5)


def test_pairs_and_false_alarms_by_hand() -> None:
    member = np.array([True, True, False, False])
    assert auroc(np.array([3.0, 1.0, 2.0, 0.0]), member) == 0.75
    assert auroc(np.array([1.0, 1.0, 1.0, 1.0]), member) == 0.5
    scores = np.concatenate([np.arange(100.0), [98.5, 99.5, 50.0, 0.0]])
    inside = np.concatenate([np.zeros(100, bool), np.ones(4, bool)])
    assert found_at(scores, inside) == 0.5  # above 98.01: two of four


def test_one_head_has_an_interval_by_patients_and_several_by_heads() -> None:
    generator = torch.Generator().manual_seed(0)
    member = torch.arange(400) % 2 == 0
    scores = torch.randn(400, generator=generator) + member
    one = attacked_once(scores, member, torch.arange(400))
    assert one.auroc_interval[0] < one.auroc < one.auroc_interval[1] and (one.members, one.others) == (200, 200)
    assert one.auroc == pytest.approx(norm.cdf(1 / 2**0.5), abs=0.05)
    pairs = attacked_once(scores, member, torch.arange(400) // 2)  # half as many patients: not narrower
    width = [found.auroc_interval[1] - found.auroc_interval[0] for found in (one, pairs)]
    assert width[1] > 0.6 * width[0]
    each = attacked_each(scores.repeat(3, 1), member.repeat(3, 1))
    assert each.auroc == pytest.approx(one.auroc) and each.auroc_interval == pytest.approx((one.auroc, one.auroc))


@pytest.mark.parametrize(
    ("auroc_", "low", "said"),
    [
        (0.51, 0.49, "can hardly be told"),
        (0.515, 0.51, "can hardly be told"),
        (0.55, 0.53, "a little better than by guessing"),
        (0.8, 0.7, "members can be told from others;"),
    ],
)
def test_words_follow_the_figure_and_its_interval(auroc_: float, low: float, said: str) -> None:
    assert said in of_members(Attacked(auroc_, (low, 0.9), 0.02, (0.0, 0.1), 10, 10))
    assert interval(0.012, (-0.01, 0.5), share=True) == "1.2 % (0.0 to 50.0)"

"""Noise: its distribution, its grid, and that nobody's seed decides it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from scipy import stats

from fedgraft.common.privacy.noise import discrete_normal, normal, with_noise


def test_numbers_are_standard_normal() -> None:
    found = normal(200_000)
    assert stats.kstest(found, "norm").pvalue > 1e-6
    assert np.isfinite(found).all()


def test_noise_has_its_deviation_and_the_sum_its_place() -> None:
    told = with_noise(np.full(100_000, 7.0), 0.5, 4.0)
    expected = 4.0 * 0.5 * (2**20 + np.sqrt(100_000)) / 2**20
    assert told.mean() == pytest.approx(7.0, abs=5 * expected / np.sqrt(100_000))
    assert told.std() == pytest.approx(expected, rel=0.02)


def test_what_is_told_lies_on_a_grid_whatever_the_sum() -> None:
    """Of a bound of 0.3, divided by 2**20, the next lower power of two is 2**-22; in units of 4 it is 2**-20."""
    told = with_noise(np.tile([0.1, 1 / 3, 2.0**-40], 100), 0.3, 1.0) * 2**22
    assert (told == np.rint(told)).all() and (told % 2 == 1).any()
    units = np.array([1.0, 4.0])
    found = np.stack([with_noise(np.full(2, 0.1), 0.3, 1.0, units, parties=3) for _ in range(100)])
    assert (found[:, 1] * 2**20 == np.rint(found[:, 1] * 2**20)).all()
    assert (found[:, 0] * 2**20 != np.rint(found[:, 0] * 2**20)).any()


@pytest.mark.parametrize("deviation", [0.7, 3.0])
def test_discrete_numbers_have_the_probabilities_of_their_definition(deviation: float) -> None:
    found = discrete_normal(np.full(100_000, deviation))
    places = np.arange(-40, 41)
    expected = np.exp(-(places**2) / (2 * deviation**2))
    expected *= len(found) / expected.sum()
    common = expected > 5
    seen = np.array([(found == place).sum() for place in places])
    statistic = ((seen - expected)[common] ** 2 / expected[common]).sum()
    assert stats.chi2.sf(statistic, common.sum() - 1) > 1e-6
    assert abs(seen[~common].sum() - expected[~common].sum()) < 30


def test_parts_of_several_sites_make_the_noise_of_one() -> None:
    whole = sum(with_noise(np.zeros(50_000), 0.5, 4.0, 2.0, parties=4) for _ in range(4))
    assert np.std(whole) == pytest.approx(4.0 * 0.5 * 2.0, rel=0.02)


def test_no_seed_decides_the_noise() -> None:
    found = []
    for _ in range(2):
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        found.append(with_noise(np.zeros(8), 1.0, 1.0))
    assert (found[0] != found[1]).all()

import math

import numpy as np
import pytest
import torch

from fedgraft.common.familiarity.distances import BINS, LEAST, beyond, counted, limit_of, merged_distances


def test_counts_add_up_and_have_the_right_bins():
    found = counted(torch.tensor([0.0, LEAST, LEAST * 2, LEAST * 4.01, 1e9], dtype=torch.float64))
    assert (sum(found), found[0], found[6], found[12], found[BINS - 1]) == (5, 2, 1, 1, 1)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_the_limit_is_the_quantile_to_a_bin_s_width(share):
    distances = np.random.default_rng(0).chisquare(64, 1000) / 64
    limit = limit_of(counted(torch.from_numpy(distances)), share)
    exact = np.sort(distances)[math.ceil(1001 * (1 - share)) - 1]
    assert exact <= limit <= exact * 2 ** (1 / 6) * (1 + 1e-9)
    assert (distances >= limit).mean() <= share


def test_beyond_counts_what_the_limit_cuts_off():
    distances = torch.from_numpy(np.random.default_rng(1).chisquare(8, 500) / 8)
    counts = counted(distances)
    limit = limit_of(counts, 0.1)
    assert beyond(counts, limit) == int((distances >= limit).sum())
    assert beyond(counts, math.inf) == 0


def test_too_few_cases_flag_nobody():
    assert limit_of(counted(torch.ones(10)), 0.05) == math.inf
    assert limit_of(counted(torch.ones(19)), 0.05) < math.inf
    assert limit_of((0,) * BINS, 0.05) == math.inf


def test_merged_distances_by_hand():
    """Five cases of mean 28.9 (half a bin added); the seven beyond are enough by themselves. The part of the five goes
    from 13.1 to 44.7, halfway to the seven."""
    fine = [0] * BINS
    fine[20], fine[30], fine[31], fine[60] = 1, 2, 2, 7
    found = merged_distances(fine, 5)
    assert {place: count for place, count in enumerate(found) if count} == {16: 1, 22: 1, 28: 1, 35: 1, 41: 1, 60: 7}

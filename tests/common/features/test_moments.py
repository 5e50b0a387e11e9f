"""Moments of features, pooled over sites: those of the pooled cases by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.common.features.moments import Moments, balanced, drawn_to, moments_of, pooled, within

SIZES = (1, 30, 7)


def parts() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [100 * k + (1 + k) * torch.randn(n, 5, generator=generator) for k, n in enumerate(SIZES)]


def test_by_hand() -> None:
    found = moments_of(torch.tensor([[1.0], [2.0], [6.0]]))
    assert (found.cases, found.mean.tolist(), found.squares.tolist()) == (3, [3.0], [14.0])
    assert found.variance.tolist() == [pytest.approx(14 / 3)]
    assert found.mean.dtype == found.squares.dtype == torch.float64


def test_a_single_case_has_no_spread() -> None:
    found = moments_of(torch.tensor([[7.0, -1.0]]))
    assert (found.cases, found.mean.tolist(), found.squares.tolist()) == (1, [7.0, -1.0], [0.0, 0.0])


def test_pooled_they_are_those_of_the_pooled_cases() -> None:
    found, whole = pooled([moments_of(part) for part in parts()]), torch.cat(parts()).double().numpy()
    assert found.cases == sum(SIZES)
    np.testing.assert_allclose(found.mean, whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, whole.var(0), rtol=1e-12)


def test_the_order_of_sites_and_a_single_one_change_nothing() -> None:
    told = [moments_of(part) for part in parts()]
    there, back = pooled(told), pooled(told[::-1])
    torch.testing.assert_close(there.squares, back.squares, rtol=1e-12, atol=0.0)
    assert torch.equal(pooled(told[1:2]).squares, told[1].squares)


def test_a_large_mean_does_not_eat_the_variance() -> None:
    """Sums of squares, as float32 has them, would lose it: 1e6 +- 1."""
    shifted = [1e6 + torch.tensor([[-1.0], [1.0]]), 1e6 + torch.tensor([[-1.0], [1.0]])]
    assert pooled([moments_of(part) for part in shifted]).variance.tolist() == [1.0]


def test_within_sites_the_squares_are_from_each_ones_own_mean() -> None:
    found = within([moments_of(part) for part in parts()])
    by_hand = sum((len(part) * part.double().numpy().var(0) for part in parts()), np.zeros(5)) / sum(SIZES)
    np.testing.assert_allclose(found.variance, by_hand, rtol=1e-12)
    np.testing.assert_allclose(found.mean, torch.cat(parts()).double().numpy().mean(0), rtol=1e-12)


def test_balanced_classes_weigh_the_same() -> None:
    """Class 0 three times at 0, class 2 once at 8: mean 4, variance 16; class 1 is not there."""
    features, labels = torch.tensor([[0.0], [0.0], [0.0], [8.0]]), torch.tensor([0, 0, 0, 2])
    found = balanced(features, labels)
    assert (found.cases, found.mean.tolist(), found.variance.tolist()) == (4, [4.0], [16.0])


def test_balanced_is_the_mean_of_copies_by_which_classes_are_equally_common() -> None:
    features, labels = torch.cat(parts()), torch.tensor([0] * 12 + [1] * 20 + [2] * 6)
    found = balanced(features, labels)
    repeated = np.concatenate([np.repeat(features[labels == c].double().numpy(), 60 // n, axis=0) for c, n in
                               ((0, 12), (1, 20), (2, 6))])  # fmt: skip
    np.testing.assert_allclose(found.mean, repeated.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.variance, repeated.var(0), rtol=1e-10)


def test_of_even_classes_balanced_is_plain() -> None:
    features, labels = parts()[1], torch.arange(30) % 3
    one, other = balanced(features, labels), moments_of(features)
    torch.testing.assert_close(one.mean, other.mean)
    torch.testing.assert_close(one.squares, other.squares)


def test_shrinking_by_hand() -> None:
    """Three own cases (mean 0, variance 2) and a common mean 4, variance 6, that weighs one case: share 3/4."""
    own = Moments(3, torch.tensor([0.0]).double(), torch.tensor([6.0]).double())
    common = Moments(50, torch.tensor([4.0]).double(), torch.tensor([300.0]).double())
    found = drawn_to(own, common, 1.0)
    assert found.mean.tolist() == [1.0]
    assert found.variance.tolist() == [pytest.approx(0.75 * 2 + 0.25 * (6 + 16) - 1)]
    assert drawn_to(own, common, 0.0) is own


def test_shrinking_equals_adding_the_common_cases() -> None:
    """As many common cases as the shrinkage says, beside the own ones: moments of both together."""
    own, common = parts()[2], parts()[1]
    found = drawn_to(moments_of(own), moments_of(common), 30.0)
    both = torch.cat([own, common]).double().numpy()
    np.testing.assert_allclose(found.mean, both.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.variance, both.var(0), rtol=1e-9)

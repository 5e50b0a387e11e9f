"""Moments of points and the Gaussian that has them, by hand."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.alignment.moments import Gaussian, shapes, sums

POINTS = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 3.0]])


def test_sums_and_the_population_s_gaussian() -> None:
    """Means 2 and 1; of the first coordinate (1 + 0 + 1) / 3, of the second (1 + 1 + 4) / 3, together 0."""
    found = sums(POINTS)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == shapes(2)
    assert found["first"].tolist() == [6, 3]
    assert found["second"].tolist() == [[14, 6], [6, 9]]
    gaussian = Gaussian.of_means({name: tensor / 3 for name, tensor in found.items()})
    assert gaussian.mean.tolist() == pytest.approx([2, 1])
    assert torch.allclose(gaussian.covariance, torch.tensor([[2 / 3, 0], [0, 2]]), atol=1e-6)
    assert float(gaussian.variance()) == pytest.approx(4 / 3)


def test_of_a_sample_the_covariance_is_unbiased() -> None:
    assert torch.allclose(Gaussian.of_sample(POINTS).covariance, torch.tensor([[1.0, 0], [0, 3]]))


def test_of_one_dimension_it_is_still_a_matrix() -> None:
    assert Gaussian.of_sample(POINTS[:, :1]).covariance.tolist() == [[1.0]]


def test_a_root_of_a_covariance_that_rounding_made_negative() -> None:
    root = Gaussian(torch.zeros(2), torch.tensor([[4.0, 0.0], [0.0, -1e-7]])).root()
    assert torch.allclose(root @ root.T, torch.tensor([[4.0, 0.0], [0.0, 0.0]]), atol=1e-6)


def test_a_variance_is_never_too_small_to_divide_by() -> None:
    none = torch.zeros(2, 2)
    assert float(Gaussian(torch.tensor([10.0, 10.0]), none).variance()) == pytest.approx(1e-2)
    assert float(Gaussian(torch.zeros(2), none).variance()) == pytest.approx(1e-12)

"""Noisy counts, moments and gradients: with hardly any noise they are what they stand for."""

from __future__ import annotations

import pytest
import torch

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.sums import noisy_counts, noisy_gradient, noisy_moments
from fedgraft.common.features.moments import Moments, moments_of, pooled, steadied

NEARLY_NONE = 1e-5


def test_counts_are_of_patients_and_at_least_one() -> None:
    labels, patients = torch.tensor([0, 0, 1, 1, 1]), Patients(["a", "a", "b", "c", "c"])
    assert noisy_counts(labels, 3, patients, NEARLY_NONE) == (1, 2, 1)


def test_moments_are_those_of_all_cases_and_pool_over_sites() -> None:
    torch.manual_seed(0)
    features = torch.nn.functional.layer_norm(torch.randn(50, 40) + torch.arange(40) / 10, (40,))
    names = [str(n) for n in range(50)]
    parts = [
        noisy_moments(features[some], Patients(names[some]), len(features[some]), NEARLY_NONE, 1)
        for some in (slice(0, 20), slice(20, 50))
    ]
    found, exact = pooled(parts), moments_of(features)
    assert torch.allclose(found.mean, exact.mean, atol=1e-4)
    assert torch.allclose(found.variance, exact.variance, atol=1e-3)


def test_moments_are_steadied_by_the_length_of_cases() -> None:
    """10 cases of length sqrt(4), of which noisy counts say 12: sums of 40 over squares are 10 cases of 4 features."""
    features = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.2, 0.8, 0.92**0.5]] * 5)
    exact = moments_of(features)
    assert exact.variance.sum() + exact.mean.square().sum() == pytest.approx(4.0, abs=1e-6)
    first, second = features.double().sum(0), features.double().square().sum(0)
    told = Moments(12, first / 12, second - 12 * (first / 12).square())
    found = steadied(told)
    assert found.mean.tolist() == pytest.approx(exact.mean.tolist())
    assert found.variance[1:].tolist() == pytest.approx(exact.variance[1:].tolist(), abs=1e-6)
    assert found.variance[0] > 1e-5, "of no variance, and lifted"


def test_a_gradient_is_that_of_the_head_by_its_own_weights() -> None:
    torch.manual_seed(0)
    residuals, inputs = torch.randn(9, 2).double(), torch.randn(9, 4)
    weight, bias = noisy_gradient(residuals, inputs, Patients([str(n) for n in range(9)]), 1e3, 1e-12, 1)
    assert torch.allclose(weight, residuals.T @ inputs.double(), atol=5e-3)
    assert torch.allclose(bias, residuals.sum(0), atol=5e-3)

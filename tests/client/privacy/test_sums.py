"""Noisy counts, moments and gradients: with hardly any noise they are what they stand for."""

from __future__ import annotations

import pytest
import torch

from fedgraft.client.fence.units import Patients
from fedgraft.client.privacy.sums import noisy_counts, noisy_gradient, noisy_moments
from fedgraft.common.features.moments import moments_of, pooled, steadied

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


def test_variances_that_noise_took_are_lifted() -> None:
    found = steadied(moments_of(torch.tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 4.0]])))
    assert found.variance.tolist() == pytest.approx([0.0625, 1.0, 4.0])  # a sixteenth of the lower median, 1


def test_a_gradient_is_that_of_the_head_by_its_own_weights() -> None:
    torch.manual_seed(0)
    residuals, inputs = torch.randn(9, 2).double(), torch.randn(9, 4)
    weight, bias = noisy_gradient(residuals, inputs, Patients([str(n) for n in range(9)]), 1e3, 1e-12, 1)
    assert torch.allclose(weight, residuals.T @ inputs.double(), atol=5e-3)
    assert torch.allclose(bias, residuals.sum(0), atol=5e-3)

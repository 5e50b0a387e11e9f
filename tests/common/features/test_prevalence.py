"""Estimates of prevalence: by hand, against a general optimiser, and on draws whose prevalence is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from fedgraft.common.features.moments import balanced, balanced_by
from fedgraft.common.features.prevalence import by_em

EVEN = torch.tensor([0.5, 0.5])
PREVALENCES = [0.05, 0.1, 0.3, 0.5, 0.8, 0.95]


def test_by_hand() -> None:
    """Of ten cases seven are called positive at 0.9: 0.9 q + 0.1 (1 - q) = 0.7 gives q = 0.75, and such a case is
    positive with 0.9 * 0.75 / 0.7."""
    probabilities = torch.tensor([[0.1, 0.9]] * 7 + [[0.9, 0.1]] * 3, dtype=torch.float64)
    found = by_em(probabilities, EVEN)
    assert found.prevalence.dtype == torch.float64
    assert found.prevalence.tolist() == pytest.approx([0.25, 0.75], abs=1e-7)
    assert found.posteriors[0, 1].item() == pytest.approx(0.675 / 0.7, abs=1e-7)
    assert found.posteriors.sum(dim=1).tolist() == pytest.approx([1.0] * 10)


def test_at_the_training_prevalence_calibrated_probabilities_stay() -> None:
    probabilities = torch.tensor([[0.6, 0.4], [0.8, 0.2]], dtype=torch.float64)
    found = by_em(probabilities, torch.tensor([0.7, 0.3], dtype=torch.float64))
    assert found.prevalence.tolist() == pytest.approx([0.7, 0.3], abs=1e-7)
    np.testing.assert_allclose(found.posteriors.numpy(), probabilities.numpy(), atol=1e-6)


def test_certain_cases_are_counted_and_a_class_that_was_never_trained_stays_at_0() -> None:
    certain = torch.tensor([[1.0, 0.0, 0.0]] * 3 + [[0.0, 0.9, 0.1]])
    assert by_em(certain, torch.tensor([0.5, 0.5, 0.0])).prevalence.tolist() == pytest.approx([0.75, 0.25, 0.0])


def log_likelihood(shares: NDArray[np.float64], ratios: NDArray[np.float64]) -> float:
    return float(-np.log(ratios @ shares).sum())


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_maximum_that_a_general_optimiser_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities, prior = rng.dirichlet([0.4, 0.4, 0.4], size=60), np.array([0.5, 0.3, 0.2])
    ratios = probabilities / prior
    whole = {"type": "eq", "fun": lambda shares: shares.sum() - 1}
    best = minimize(log_likelihood, prior, (ratios,), "SLSQP", bounds=[(1e-9, 1)] * 3, constraints=whole, tol=1e-12)
    found = by_em(torch.from_numpy(probabilities), torch.from_numpy(prior)).prevalence.numpy()
    assert log_likelihood(found, ratios) <= best.fun + 1e-6
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def drawn(prevalence: float, prior: float, cases: int = 3000) -> tuple[Tensor, Tensor]:
    """Cases of two Gaussian classes two deviations apart, and their probabilities where the positives' share is
    ``prior``."""
    rng = np.random.default_rng(1)
    labels = np.arange(cases) < round(cases * prevalence)
    logits = 2 * (rng.normal(size=cases) + np.where(labels, 1, -1)) + np.log(prior / (1 - prior))
    positive = torch.from_numpy(1 / (1 + np.exp(-logits)))
    return torch.stack([1 - positive, positive], dim=1), torch.from_numpy(labels.astype(np.int64))


@pytest.mark.parametrize("prior", [0.5, 0.2])
@pytest.mark.parametrize("prevalence", PREVALENCES)
def test_a_known_prevalence_is_found(prevalence: float, prior: float) -> None:
    probabilities, labels = drawn(prevalence, prior)
    found = by_em(probabilities, torch.tensor([1 - prior, prior]))
    assert found.prevalence[1].item() == pytest.approx(prevalence, abs=0.02)
    assert found.posteriors[labels == 1, 1].mean() > found.posteriors[labels == 0, 1].mean()
    assert found.posteriors[:, 1].mean().item() == pytest.approx(found.prevalence[1].item(), abs=1e-6)


def test_balanced_moments_of_certain_cases_are_those_by_label() -> None:
    features, labels = torch.randn(9, 3), torch.tensor([0, 0, 0, 0, 0, 2, 2, 2, 0])  # nobody has class 1
    certain = torch.nn.functional.one_hot(labels, 3).double()
    by_label, by_posterior = balanced(features, labels), balanced_by(features, certain)
    assert by_posterior.cases == 9
    torch.testing.assert_close(by_posterior.mean, by_label.mean)
    torch.testing.assert_close(by_posterior.squares, by_label.squares)


def test_balanced_moments_by_hand() -> None:
    """Expected are 1.5 and 0.5 cases: weights (2/3 + 0) / 2 and (1/3 + 1) / 2, and the mean of 0 and 3 is 2."""
    found = balanced_by(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64))
    assert found.mean.item() == pytest.approx(2.0)
    assert found.variance.item() == pytest.approx(2.0)  # (4 / 3) + (2 / 3)


def test_a_class_that_half_a_case_is_not_expected_to_have_does_not_count() -> None:
    features = torch.tensor([[0.0], [3.0]])
    rare = torch.tensor([[1.0, 0.0], [0.6, 0.4]], dtype=torch.float64)
    assert balanced_by(features, rare).mean.item() == pytest.approx(0.6 * 3 / 1.6)
    none = torch.full((1, 3), 1 / 3, dtype=torch.float64)
    assert balanced_by(features[1:], none).mean.item() == pytest.approx(3.0)

"""MMD in random Fourier features against the kernels themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.common.alignment.mmd import Mmd, within
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Reference

BANDWIDTHS = (0.5, 1.0, 2.0)


def filled(mmd: Mmd, features: torch.Tensor) -> Reference:
    reference = mmd.reference(features.shape[1], 1)
    reference.fill({0: len(features)}, {0: mmd.sums(reference, features)})
    return reference


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean of the Gaussian kernels, every pair."""
    squares = ((x[:, None] - y[None]) ** 2).mean(axis=2)
    return np.mean([np.exp(-squares / (2 * b**2)) for b in BANDWIDTHS], axis=0)


def without_diagonal(k: np.ndarray) -> float:
    return float((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)))


@pytest.fixture
def samples() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 6, generator=generator), torch.randn(60, 6, generator=generator) + 0.7


def test_the_embedding_gives_the_kernel_s_values(samples: tuple[torch.Tensor, torch.Tensor]) -> None:
    mmd = Mmd(BANDWIDTHS, 20_000, normalise=False)
    space = mmd.reference(6, 1).space
    products = space(samples[0]) @ space(samples[1]).T
    exact = kernel(samples[0].numpy(), samples[1].numpy())
    assert np.abs(products.numpy() - exact).max() < 0.02
    assert torch.allclose(space(samples[0]).norm(dim=1), torch.ones(20))


def test_the_penalty_is_the_unbiased_estimate_of_the_kernel_form(samples: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Gretton et al. 2012: own pairs of different cases, cross pairs, and the reference's own mean."""
    mmd = Mmd(BANDWIDTHS, 20_000, normalise=False)
    own, others = (sample.double().numpy() for sample in samples)
    cross = 2 * kernel(own, others).mean()
    expected = without_diagonal(kernel(own, own)) - cross + kernel(others, others).mean()
    assert float(mmd.penalty(filled(mmd, samples[1]))(samples[0], 0)) == pytest.approx(expected, abs=5e-3)
    both = without_diagonal(kernel(own, own)) - cross + without_diagonal(kernel(others, others))
    reference = mmd.reference(6, 1)
    assert float(mmd.between(reference, *samples)) == pytest.approx(both, abs=5e-3)


def test_it_is_about_zero_for_one_distribution_and_grows_with_the_distance() -> None:
    generator = torch.Generator().manual_seed(2)
    mmd = Mmd((0.25, 0.5, 1.0, 2.0), 256, normalise=True)
    against = mmd.penalty(filled(mmd, torch.randn(2000, 32, generator=generator)))
    shift = torch.randn(32, generator=generator)
    found = [float(against(torch.randn(500, 32, generator=generator) + far * shift, 0)) for far in (0.0, 0.5, 1.0)]
    assert abs(found[0]) < 5e-3
    assert found[0] < found[1] < found[2]


def test_pairs_of_a_case_with_itself_do_not_count() -> None:
    """Two unit vectors with product 0.6: (|sum|^2 - 2) / 2 = (3.2 - 2) / 2."""
    assert float(within(torch.tensor([[1.0, 0.0], [0.6, 0.8]]))) == pytest.approx(0.6)


@pytest.mark.parametrize("bandwidths", [(), (0.5, 0.0), (-1.0,), ("x",)])
def test_bandwidths_are_numbers_above_0(bandwidths: tuple[float, ...]) -> None:
    with pytest.raises(PlanError, match=r"alignment.bandwidths=.* must be one number above 0 or more"):
        Mmd(bandwidths, 8, True)


def test_no_frequency_is_refused() -> None:
    with pytest.raises(PlanError, match=r"alignment.frequencies=0 must be 1 or more"):
        Mmd((1.0,), 0, True)

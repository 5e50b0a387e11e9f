"""CORAL against numbers worked out by hand, and against the paper's formula written out again in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.common.alignment.coral import Coral
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Reference


def filled(coral: Coral, features: torch.Tensor) -> Reference:
    reference = coral.reference(features.shape[1], 1)
    reference.fill({0: len(features)}, {0: coral.sums(reference, features)})
    return reference


def test_two_squares_by_hand() -> None:
    """A square of side 2 about 0 has covariance 4/3 I as a sample, I as a population; twice as large: 16/3 I, 4 I.

    Own: 16/3 I; reference: I. ``|13/3 I|_F^2 / (4 * 4) = 2 * (13/3)^2 / 16``; the means are equal.
    """
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    coral = Coral(dimensions=2, normalise=False, means=True)
    against = coral.penalty(filled(coral, square))
    assert float(against(2 * square, 0)) == pytest.approx(2 * (13 / 3) ** 2 / 16)
    moved = against(2 * square + torch.tensor([3.0, 1.0]), 0)
    assert float(moved) == pytest.approx(2 * (13 / 3) ** 2 / 16 + (9 + 1) / 2)
    alone = Coral(dimensions=2, normalise=False, means=False)
    assert float(alone.penalty(filled(alone, square))(2 * square + 5, 0)) == pytest.approx(2 * (13 / 3) ** 2 / 16)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("dimensions", [4, 7])
def test_the_paper_s_formula(normalise: bool, dimensions: int) -> None:
    generator = torch.Generator().manual_seed(0)
    own, others = torch.randn(9, 7, generator=generator), 2 * torch.randn(40, 7, generator=generator) + 1
    coral = Coral(dimensions, normalise, means=False)
    reference = filled(coral, others)

    def seen(features: torch.Tensor) -> np.ndarray:
        x = features.double().numpy()
        if normalise:
            x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        directions = reference.space.directions
        return x if dimensions == 7 else x @ directions.double().numpy().T  # type: ignore[operator, union-attr]

    difference = np.cov(seen(own), rowvar=False) - np.cov(seen(others), rowvar=False, bias=True)
    unit = np.cov(seen(others), rowvar=False, bias=True).diagonal().mean()
    expected = (difference**2).sum() / (4 * dimensions**2) / unit**2
    assert float(coral.penalty(reference)(own, 0)) == pytest.approx(expected, rel=1e-4)


def test_two_scanners_are_compared_by_both_samples() -> None:
    coral = Coral(dimensions=2, normalise=False, means=True)
    square = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    reference = coral.reference(2, 1)
    assert float(coral.between(reference, square, square)) == 0
    unit = (16 / 3 + 4 / 3) / 2
    assert float(coral.between(reference, 2 * square, square)) == pytest.approx(2 * 4**2 / 16 / unit**2)  # 16/3 - 4/3


def test_the_scale_of_all_features_is_no_matter_and_equal_ones_give_no_infinity() -> None:
    generator = torch.Generator().manual_seed(3)
    own, others = torch.randn(30, 5, generator=generator), torch.randn(50, 5, generator=generator) + 1
    coral = Coral(dimensions=3, normalise=False, means=True)
    once, thrice = (coral.penalty(filled(coral, k * others))(k * own, 0) for k in (1, 3))
    assert float(thrice) == pytest.approx(float(once), rel=1e-4)
    assert float(coral.penalty(filled(coral, torch.ones(4, 5)))(torch.ones(4, 5), 0)) < 1e-6


def test_a_step_down_the_penalty_draws_the_features_to_the_reference() -> None:
    generator = torch.Generator().manual_seed(1)
    coral = Coral(dimensions=4, normalise=False, means=True)
    against = coral.penalty(filled(coral, torch.randn(500, 4, generator=generator) + 2))
    own = torch.randn(64, 4, generator=generator).requires_grad_()
    (gradient,) = torch.autograd.grad(against(own, 0), own)
    own = own.detach()
    assert float(against(own - 0.1 * gradient, 0)) < float(against(own, 0))
    assert bool((gradient.mean(dim=0) < 0).all())  # each coordinate must grow towards 2


def test_one_direction_is_refused() -> None:
    with pytest.raises(PlanError, match=r"alignment.dimensions=1 must be 2 or more"):
        Coral(1, True, True)

"""The ridge regression from sums equals scikit-learn's on pooled cases, however they lie at the sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import linear_model
from torch.nn import functional

from fedgraft.common.heads.heads import MLP, Cosine, Linear
from fedgraft.common.heads.ridge import Ridge, ridge

WIDTH, CLASSES = 6, 3
BUILT = {"weight": torch.zeros(CLASSES, WIDTH).double(), "bias": torch.zeros(CLASSES).double()}


def some(cases: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.cat([torch.zeros(60), torch.ones(20), torch.full((10,), 2)]).long()
    centres = torch.randn(CLASSES, WIDTH, generator=generator)
    return centres[labels] + torch.randn(cases, WIDTH, generator=generator), labels


def at_sites(part: Ridge) -> dict[str, torch.Tensor]:
    """Sums of three unequal sites, the first without class 2, added up."""
    features, labels = some()
    told = [part.sums(features[a:b], labels[a:b], CLASSES) for a, b in ((0, 50), (50, 77), (77, 90))]
    return {name: sum((one[name] for one in told[1:]), told[0][name]) for name in told[0]}


def sklearn(alpha: float, balanced: bool) -> Any:
    features, labels = some()
    weights = (len(labels) / (CLASSES * torch.bincount(labels).double()))[labels].numpy() if balanced else None
    targets = functional.one_hot(labels, CLASSES).double().numpy()
    return linear_model.Ridge(alpha=alpha).fit(features.double().numpy(), targets, sample_weight=weights)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
def test_it_equals_scikit_learn_on_pooled_cases(alpha: float, balanced: bool) -> None:
    part, pooled = Ridge(alpha, balanced, 1.0), sklearn(alpha, balanced)
    found = part.head(at_sites(part), BUILT)
    np.testing.assert_allclose(found["weight"].numpy(), pooled.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["bias"].numpy(), pooled.intercept_, rtol=1e-6, atol=1e-9)


def test_it_solves_the_normal_equations_with_a_column_of_ones() -> None:
    features, labels = some()
    wide = np.hstack([features.double().numpy(), np.ones((90, 1))])
    penalty = 2.0 * np.diag([1.0] * WIDTH + [0.0])
    by_hand = np.linalg.solve(wide.T @ wide + penalty, wide.T @ np.eye(CLASSES)[labels.numpy()]).T
    part = Ridge(2.0, False, 1.0)
    found = part.head(at_sites(part), BUILT)
    np.testing.assert_allclose(found["weight"].numpy(), by_hand[:, :-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["bias"].numpy(), by_hand[:, -1], rtol=1e-6, atol=1e-9)


def test_one_feature_by_hand() -> None:
    """x = -1, 1 of classes 0, 1, alpha 2: slope of class 1 is sum(x (y - 1/2)) / (sum x^2 + 2) = 1/4."""
    weight, bias = ridge(torch.ones(2).double(), torch.tensor([[-1.0], [1.0]]).double(), torch.eye(1).double() * 2, 2.0)
    assert weight.tolist() == [[-0.25], [0.25]]
    assert bias.tolist() == [0.5, 0.5]


def test_the_scale_multiplies_weight_and_bias() -> None:
    once, fourfold = (Ridge(1.0, True, scale) for scale in (1.0, 4.0))
    first, second = once.head(at_sites(once), BUILT), fourfold.head(at_sites(fourfold), BUILT)
    assert all(torch.equal(4 * first[name], second[name]) for name in BUILT)


@pytest.mark.parametrize(("balanced", "matrices"), [(False, 1), (True, CLASSES)])
def test_what_travels(balanced: bool, matrices: int) -> None:
    """Of each symmetric matrix the upper triangle: 6 * 7 / 2 numbers."""
    sums = Ridge(1.0, balanced, 1.0).sums(*some(), CLASSES)
    assert {name: tuple(tensor.shape) for name, tensor in sums.items()} == {
        "counts": (3,),
        "sums": (3, 6),
        "moments": (matrices, 21),
    }
    assert {tensor.dtype for tensor in sums.values()} == {torch.float64}


def test_only_a_linear_head_with_a_bias_can_be_solved() -> None:
    assert Ridge.misfit(Linear(2, 2, normalise=True), {}) == ""
    for head in (Cosine(2, 2, scale=16.0), MLP(2, 2, 4, 0.0, True)):
        reason = Ridge.misfit(head, {})
        assert f"head={type(head).__name__.lower()} is no linear layer with a bias: nothing solves it" in reason

"""The ridge regression from sums equals scikit-learn's on pooled cases, however they lie at the sites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import linear_model
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import MLP, Cosine, Linear
from fedgraft.common.heads.ridge import Ridge, ridge

WIDTH, CLASSES = 6, 3
BUILT = {"weight": torch.zeros(CLASSES, WIDTH).double(), "bias": torch.zeros(CLASSES).double()}


def some(cases: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.cat([torch.zeros(60), torch.ones(20), torch.full((10,), 2)]).long()
    centres = torch.randn(CLASSES, WIDTH, generator=generator)
    return centres[labels] + torch.randn(cases, WIDTH, generator=generator), labels


def weighed(part: Ridge) -> Ridge:
    return part.weighed((60, 20, 10))


def at_sites(part: Ridge) -> dict[str, torch.Tensor]:
    """Sums of three unequal sites, the first without class 2, added up."""
    features, labels = some()
    part = weighed(part)
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
    part, pooled = Ridge(alpha, balanced, 1.0, None, True), sklearn(alpha, balanced)
    found = weighed(part).head(at_sites(part), BUILT)
    np.testing.assert_allclose(found["weight"].numpy(), pooled.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["bias"].numpy(), pooled.intercept_, rtol=1e-6, atol=1e-9)


def test_it_solves_the_normal_equations_with_a_column_of_ones() -> None:
    features, labels = some()
    wide = np.hstack([features.double().numpy(), np.ones((90, 1))])
    penalty = 2.0 * np.diag([1.0] * WIDTH + [0.0])
    by_hand = np.linalg.solve(wide.T @ wide + penalty, wide.T @ np.eye(CLASSES)[labels.numpy()]).T
    part = Ridge(2.0, False, 1.0, None, True)
    found = weighed(part).head(at_sites(part), BUILT)
    np.testing.assert_allclose(found["weight"].numpy(), by_hand[:, :-1], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found["bias"].numpy(), by_hand[:, -1], rtol=1e-6, atol=1e-9)


def test_one_feature_by_hand() -> None:
    """x = -1, 1 of classes 0, 1, alpha 2: slope of class 1 is sum(x (y - 1/2)) / (sum x^2 + 2) = 1/4."""
    weight, bias = ridge(torch.ones(2).double(), torch.tensor([[-1.0], [1.0]]).double(), torch.eye(1).double() * 2, 2.0)
    assert weight.tolist() == [[-0.25], [0.25]]
    assert bias.tolist() == [0.5, 0.5]


def test_the_scale_multiplies_weight_and_bias() -> None:
    once, fourfold = (Ridge(1.0, True, scale, None, True) for scale in (1.0, 4.0))
    first, second = (weighed(p).head(at_sites(p), BUILT) for p in (once, fourfold))
    assert all(torch.equal(4 * first[name], second[name]) for name in BUILT)


@pytest.mark.parametrize(("sketch", "numbers"), [(None, 21), (4, 10)])
def test_what_travels(sketch: int | None, numbers: int) -> None:
    """Of the symmetric matrix the upper triangle: 6 * 7 / 2 numbers; of a sketch 4 * 5 / 2."""
    sums = Ridge(1.0, True, 1.0, sketch, True).sums(*some(), CLASSES)
    assert {name: tuple(tensor.shape) for name, tensor in sums.items()} == {
        "counts": (3,),
        "sums": (3, 6 if sketch is None else 4),
        "moments": (numbers,),
    }
    assert {tensor.dtype for tensor in sums.values()} == {torch.float64}


def test_of_several_penalties_there_is_a_head_for_each_the_strongest_first() -> None:
    several = Ridge([1.0, 100.0, 10.0], True, 1.0, None, True)
    heads = weighed(several).heads(at_sites(several), BUILT)
    assert list(heads) == ["alpha=100", "alpha=10", "alpha=1"]
    alone = Ridge(10.0, True, 1.0, None, True)
    assert torch.equal(heads["alpha=10"]["weight"], weighed(alone).head(at_sites(alone), BUILT)["weight"])


@pytest.mark.parametrize("alpha", [[], [1.0, 1.0], [1.0, 0.0], ["1"]])
def test_penalties_that_are_none(alpha: list[Any]) -> None:
    with pytest.raises(PlanError, match="must be a number above 0, or several different ones"):
        Ridge(alpha, True, 1.0, None, True)


def test_a_sketch_is_ridge_regression_on_random_combinations() -> None:
    """The outputs are those of scikit-learn on the combined features."""
    features, labels = some()
    part = Ridge(1.0, False, 1.0, 4, True)
    head = weighed(part).head(at_sites(part), BUILT)
    drawn = torch.randint(2, (WIDTH, 4), generator=torch.Generator().manual_seed(WIDTH))
    combined = (features.double() @ (2.0 * drawn - 1).double() / 2).numpy()
    pooled = linear_model.Ridge(alpha=1.0).fit(combined, functional.one_hot(labels, CLASSES).numpy())
    outputs = features.double() @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(outputs.numpy(), pooled.predict(combined), rtol=1e-6, atol=1e-8)


def test_a_sketch_must_be_smaller_than_the_features() -> None:
    head = Linear(6, 2, normalise=True)
    assert Ridge.misfit(head, {"sketch": 5}) == ""
    assert "initial.sketch=6 saves nothing: there are 6 features" in Ridge.misfit(head, {"sketch": 6})


def test_only_a_linear_head_with_a_bias_can_be_solved() -> None:
    assert Ridge.misfit(Linear(2, 2, normalise=True), {}) == ""
    for head in (Cosine(2, 2, scale=16.0), MLP(2, 2, 4, 0.0, True)):
        reason = Ridge.misfit(head, {})
        assert f"head={type(head).__name__.lower()} is no linear layer with a bias: nothing solves it" in reason

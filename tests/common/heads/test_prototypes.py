"""Class means as a head: numbers by hand, the nearest mean wins, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.class_sums import class_sums
from fedgraft.common.heads.heads import MLP, Cosine, Linear
from fedgraft.common.heads.prototypes import Prototypes, nearest_mean

FEATURES = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
LABELS = torch.tensor([0, 0, 1])


def built(head: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in head.named_parameters()}


def test_sums_by_hand() -> None:
    sums = class_sums(FEATURES, LABELS, 3)
    assert sums["counts"].tolist() == [2, 1, 0]
    assert sums["sums"].tolist() == [[4, 0], [0, 4], [0, 0]]
    assert {tensor.dtype for tensor in sums.values()} == {torch.float64}


def test_a_linear_head_by_hand() -> None:
    """Means (2, 0) and (0, 4), 20 apart squared: t = 20 / (2 * 5) = 2; centre (1, 2) of squared length 5."""
    sums = class_sums(FEATURES, LABELS, 2)
    found = Prototypes(margin=5.0).head(sums, built(Linear(2, 2, normalise=False)))
    assert found["weight"].tolist() == [[0.5, -1.0], [-0.5, 1.0]]
    assert found["bias"].tolist() == [0.25, -2.75]  # -(4 - 5) / 4 and -(16 - 5) / 4
    assert found["weight"].dtype == found["bias"].dtype == torch.float32


def test_a_case_at_its_mean_is_preferred_by_the_margin() -> None:
    means = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)).double()
    weight, bias = nearest_mean(means, 3.0)
    logits = means @ weight.T + bias
    gaps = [logits[c, c] - logits[c, other] for c in range(4) for other in range(4) if other != c]
    assert float(torch.stack(gaps).mean()) == pytest.approx(3.0)


def test_the_nearest_mean_wins() -> None:
    generator = torch.Generator().manual_seed(1)
    means, cases = (torch.randn(n, 5, generator=generator).double() for n in (3, 200))
    weight, bias = nearest_mean(means, 2.0)
    assert torch.equal((cases @ weight.T + bias).argmax(1), torch.cdist(cases, means).argmin(1))


def test_the_default_margin_is_two() -> None:
    sums, head = class_sums(FEATURES, LABELS, 2), built(Linear(2, 2, normalise=False))
    assert torch.equal(Prototypes(None).head(sums, head)["weight"], Prototypes(2.0).head(sums, head)["weight"])


def test_a_cosine_head_gets_directions() -> None:
    found = Prototypes(None).head(class_sums(FEATURES, LABELS, 2), built(Cosine(2, 2, scale=16.0)))
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"weight": [[1, 0], [0, 1]]}


def test_means_that_are_all_the_same_are_refused() -> None:
    sums = class_sums(torch.ones(4, 2), torch.tensor([0, 1, 0, 1]), 2)
    with pytest.raises(PlanError, match="the class means are all the same"):
        Prototypes(None).head(sums, built(Linear(2, 2, normalise=False)))


def test_which_heads_can_start_so() -> None:
    assert Prototypes.misfit(Linear(2, 2, normalise=True), {"margin": 2.0}) == ""
    assert Prototypes.misfit(Cosine(2, 2, scale=16.0), {"margin": None}) == ""
    assert "head=mlp has not one weight per class and feature" in Prototypes.misfit(MLP(2, 2, 4, 0.0, True), {})
    assert "initial.margin has no effect" in Prototypes.misfit(Cosine(2, 2, scale=16.0), {"margin": 2.0})

"""A public random projection: the same everywhere, lengths kept, and a linear head behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import MLP
from fedgraft.common.heads.linear_shape import width_of
from fedgraft.common.heads.projected import Projected, signs
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan


def test_signs_are_those_of_everybody() -> None:
    """The bytes c6 47 of SHAKE-256, from the highest bit on."""
    found = signs(3, 5, 0)
    assert found.tolist() == [[1.0, 1.0, -1.0, -1.0, -1.0], [1.0, 1.0, -1.0, -1.0, 1.0], [-1.0, -1.0, -1.0, 1.0, 1.0]]
    many = signs(200, 300, 1)
    assert set(many.unique().tolist()) == {-1.0, 1.0} and abs(float(many.mean())) < 0.02
    assert not torch.equal(signs(3, 5, 1), found)


def test_lengths_and_angles_are_kept_about() -> None:
    torch.manual_seed(0)
    head, rows = Projected(1000, 2, 500, 0), torch.randn(20, 1000)
    sums = head.inputs(rows)
    assert float(sums.square().mean()) == pytest.approx(1.0, rel=0.1)
    inner, kept = rows @ rows.T / 1000, sums @ sums.T / 500
    assert float((inner - kept).abs().max()) < 0.25


def test_it_is_linear_and_starts_at_zero() -> None:
    head, rows = Projected(6, 2, 3, 0), torch.arange(12.0).reshape(2, 6)
    assert torch.equal(head(rows), torch.zeros(2, 2))
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
        head.bias.copy_(torch.tensor([0.5, 0.0]))
    expected = rows @ head.projection.T @ head.weight.T + head.bias
    torch.testing.assert_close(head(rows), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(head.double()(rows.double()), expected.double(), rtol=1e-5, atol=1e-5)
    assert set(head.state_dict()) == {"weight", "bias"}, "the projection travels in the plan"


def test_a_private_plan_may_have_it(compose_plan: Callable[..., Plan]) -> None:
    model = build(compose_plan("privacy=record", "head=projected", "head.dims=32", "features.scale=case"), None)
    shapes = {name: tuple(model.state[name].shape) for name in model.names("shared")}
    assert shapes == {"head.weight": (2, 32), "head.bias": (2,)}
    assert width_of(model.network.head, model.head_width) == 32 < model.head_width
    assert width_of(MLP(7, 2, 3, 0.0, False), 7) == 7
    with pytest.raises(PlanError, match=r"head\.dims"):
        build(compose_plan("privacy=record", "head=projected", "head.dims=0"), None)

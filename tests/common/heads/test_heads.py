"""Heads: their first logits, and the logits by hand."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import MLP, Cosine, Linear


def test_a_linear_head_starts_with_equal_logits() -> None:
    head = Linear(3, 2, normalise=True)
    assert torch.equal(head(torch.randn(4, 3)), torch.zeros(4, 2))
    assert {name for name, _ in head.named_parameters()} == {"weight", "bias"}


def test_a_linear_head_without_normalisation_by_hand() -> None:
    head = Linear(2, 2, normalise=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        head.bias.copy_(torch.tensor([0.5, 0.0]))
    # 1*3 + 2*4 + 0.5 and -4
    assert head(torch.tensor([[3.0, 4.0]])).tolist() == [[11.5, -4.0]]


def test_a_linear_head_normalises_each_case_by_hand() -> None:
    head = Linear(2, 1, normalise=True)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[2.0, 0.0]]))
    # (1, 3) has mean 2 and standard deviation 1: (-1, 1); so has (10, 30), scaled
    logits = head(torch.tensor([[1.0, 3.0], [10.0, 30.0]]))
    torch.testing.assert_close(logits, torch.tensor([[-2.0], [-2.0]]), atol=1e-4, rtol=0)


def test_a_cosine_head_by_hand() -> None:
    head = Cosine(2, 3, scale=10.0)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[5.0, 0.0], [0.0, 0.1], [-1.0, 0.0]]))
    # (3, 4) has length 5: cosines 0.6, 0.8 and -0.6
    torch.testing.assert_close(head(torch.tensor([[3.0, 4.0]])), torch.tensor([[6.0, 8.0, -6.0]]))


def test_a_cosine_head_is_blind_to_the_size_of_features() -> None:
    head = Cosine(8, 3, scale=16.0)
    features = torch.randn(4, 8)
    torch.testing.assert_close(head(features), head(features * 1000))
    assert float(head(features).detach().abs().max()) <= 16.0 + 1e-4


def test_a_cosine_head_survives_features_of_zero() -> None:
    logits = Cosine(8, 3, scale=16.0)(torch.zeros(2, 8))
    assert torch.equal(logits, torch.zeros(2, 3))


def test_a_cosine_head_depends_on_the_seed_only() -> None:
    torch.manual_seed(3)
    first = Cosine(8, 3, scale=1.0).weight
    torch.manual_seed(3)
    assert torch.equal(first, Cosine(8, 3, scale=1.0).weight)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_is_not_above_zero_is_refused(scale: float) -> None:
    with pytest.raises(PlanError, match=r"head\.scale=.* must be a number above 0"):
        Cosine(8, 3, scale=scale)


def test_a_scale_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(PlanError, match=r"head\.scale=large"):
        Cosine(8, 3, scale="large")  # type: ignore[arg-type]


def test_an_mlp_head_by_hand() -> None:
    head = MLP(2, 1, hidden=2, dropout=0.0, normalise=False)
    with torch.no_grad():
        head.hidden.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        head.hidden.bias.copy_(torch.tensor([0.0, 1.0]))
        head.output.weight.copy_(torch.tensor([[2.0, 10.0]]))
        head.output.bias.copy_(torch.tensor([0.5]))
    # gelu(1) = 1 * 0.8413447 and gelu(-1 + 1) = 0: 2 * 0.8413447 + 0.5
    torch.testing.assert_close(head(torch.tensor([[1.0, -1.0]])), torch.tensor([[2.1826895]]))


def test_an_mlp_head_starts_with_equal_logits_and_yet_learns() -> None:
    head = MLP(3, 2, hidden=4, dropout=0.0, normalise=True)
    logits = head(torch.randn(4, 3))
    assert torch.equal(logits, torch.zeros(4, 2))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 0])).backward()
    assert head.output.weight.grad is not None
    assert bool(head.output.weight.grad.any())


def test_dropout_acts_in_training_only() -> None:
    head = MLP(3, 2, hidden=64, dropout=0.5, normalise=False)
    torch.nn.init.normal_(head.output.weight)
    features = torch.randn(4, 3)
    assert torch.equal(head.eval()(features), head(features))
    assert not torch.equal(head.train()(features), head.eval()(features))


def test_what_the_weights_see() -> None:
    features = torch.tensor([[3.0, 4.0]])
    assert Linear(2, 2, normalise=False).inputs(features).tolist() == [[3, 4]]
    torch.testing.assert_close(
        Linear(2, 2, normalise=True).inputs(features), torch.tensor([[-1.0, 1.0]]), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(Cosine(2, 2, scale=9.0).inputs(features), torch.tensor([[0.6, 0.8]]))
    torch.testing.assert_close(MLP(2, 2, 4, 0.0, True).inputs(features), torch.tensor([[-1.0, 1.0]]), atol=1e-3, rtol=0)

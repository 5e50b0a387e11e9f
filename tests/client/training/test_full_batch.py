"""A site's summed loss and gradient: float64, over all cases, the mean over views, in parts as at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy.clipping import Patients, clipped_gradient
from fedgraft.client.training import before_head
from fedgraft.client.training.full_batch import FullBatch, SummedLoss, full_batch, widened
from fedgraft.common.errors import DivergenceError
from fedgraft.common.heads.heads import MLP, Cosine, Linear
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.suitability import total

CPU = torch.device("cpu")
X = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]])
Y = torch.tensor([0, 1, 1])
HEADS = [Linear(2, 2, False), Linear(2, 2, True), Cosine(2, 2, 3.0), MLP(2, 2, 3, 0.0, True), nn.Linear(2, 2)]


def drawn(head: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        for name, tensor in head.named_parameters()
    }


def test_at_zero_it_is_worked_out_by_hand() -> None:
    """All probabilities are 1/2: the loss is 3 log 2, and the slope of class 0 sums ``(1/2 - [y = 0]) x``."""
    batch = full_batch(HEADS[0], Examples(X, Y), CPU, torch.float64)
    zero = {"weight": torch.zeros(2, 2, dtype=torch.float64), "bias": torch.zeros(2, dtype=torch.float64)}
    loss, gradient, residuals = batch.summed_loss(zero, widened(CrossEntropy(None)))
    assert loss == pytest.approx(3 * 0.6931471805599453, abs=1e-15)
    assert gradient["weight"].tolist() == [[1.0, -1.25], [-1.0, 1.25]]  # -(1, 2)/2 + (0, -1)/2 + (3, 1/2)/2
    assert gradient["bias"].tolist() == [0.5, -0.5]
    assert residuals.tolist() == [[-0.5, 0.5], [0.5, -0.5], [0.5, -0.5]]
    assert gradient["weight"].dtype == torch.float64


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
@pytest.mark.parametrize(("at_once", "held"), [(16_000_000, 6), (4, 6), (4, 0)])
def test_it_is_the_head_s_own_loss_and_gradient(
    head: nn.Module, at_once: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the cases are widened in parts of two, and where they are read again; the head itself is left as it
    is."""
    monkeypatch.setattr(before_head, "AT_ONCE", at_once)
    monkeypatch.setattr(before_head, "_MOST_HELD", held)
    before, weights = {n: p.clone() for n, p in head.named_parameters()}, drawn(head)
    weighed = CrossEntropy(torch.tensor([0.25, 1.5]))
    found = full_batch(head, Examples(X, Y), CPU, torch.float64).summed_loss(weights, widened(weighed))
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    outputs = torch.func.functional_call(head, leaves, (X.double(),))
    wanted = functional.cross_entropy(outputs, Y, torch.tensor([0.25, 1.5]).double(), reduction="sum")
    wanted.backward()
    assert found.loss == pytest.approx(float(wanted.detach()), abs=1e-6)
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        torch.testing.assert_close(found.gradient[name], leaf.grad, atol=1e-6, rtol=1e-6)
    assert all(torch.equal(before[name], parameter) for name, parameter in head.named_parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("head", HEADS[:2], ids=["plain", "normalised"])
def test_cases_that_are_too_many_are_read_from_the_file_again(
    head: nn.Module, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features in float16 in a file that is mapped, in parts: the loss, slopes, lengths and bounded sums are those of
    features that are held, and nothing of their size is."""
    kept = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).half()
    kept.numpy().tofile(tmp_path / "rows")
    rows = torch.from_file(str(tmp_path / "rows"), shared=True, size=100, dtype=torch.float16).view(50, 2)
    examples, weights, loss = Examples(rows, torch.arange(50) % 2), drawn(head), CrossEntropy(None)
    patients = Patients([f"p{case // 3}" for case in range(50)])

    def found() -> tuple[FullBatch, SummedLoss, tuple[Tensor, Tensor]]:
        batch = full_batch(head, examples, CPU, dtype)
        summed = batch.summed_loss(weights, widened(loss))
        return batch, summed, clipped_gradient(summed.residuals, batch.views[0], patients, 0.3)

    held = found()
    monkeypatch.setattr(before_head, "AT_ONCE", 14)
    monkeypatch.setattr(before_head, "_MOST_HELD", 99)
    again = found()
    assert isinstance(held[0].views[0], Tensor) and not isinstance(again[0].views[0], Tensor)
    assert again[0].views[0].shape == (50, 2)
    assert again[1].loss == pytest.approx(held[1].loss, rel=1e-6)
    torch.testing.assert_close(again[1].gradient, held[1].gradient, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(again[1].residuals, held[1].residuals)
    assert torch.equal(again[0].lengths, held[0].lengths)
    torch.testing.assert_close(again[2], held[2], rtol=1e-5, atol=1e-5)


def test_several_views_count_as_one_case() -> None:
    """Two views of each of two cases: the mean of the losses over the first and over the second views."""
    places = torch.tensor([[0, 1], [2, 3]])
    source, labels = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1])
    weights, loss = drawn(HEADS[0]), widened(CrossEntropy(None))
    both = full_batch(HEADS[0], Examples(source, labels, places), CPU, torch.float64).summed_loss(weights, loss)
    each = [
        full_batch(HEADS[0], Examples(source[rows], labels), CPU, torch.float64).summed_loss(weights, loss)
        for rows in places.unbind(1)
    ]
    assert both.loss == pytest.approx(sum(one.loss for one in each) / 2, abs=1e-12)
    torch.testing.assert_close(both.gradient["weight"], sum(one.gradient["weight"] for one in each) / 2)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    batch = full_batch(HEADS[0], Examples(X, Y), CPU, torch.float64)
    wild = {"weight": torch.full((2, 2), 1e308, dtype=torch.float64) * torch.tensor([[1.0], [-1.0]])}
    with pytest.raises(DivergenceError, match="the loss over all training cases is not finite at the weights"):
        batch.summed_loss(wild, widened(CrossEntropy(None)))


def test_the_sum_of_a_loss_of_one_s_own_is_its_mean_times_the_cases_unless_it_says_otherwise() -> None:
    def mean(outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs.mean()

    class OverPairs(nn.Module):
        def divisor(self, labels: Tensor) -> int:
            return len(labels) * (len(labels) - 1) // 2

        def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
            return outputs.sum() / self.divisor(labels)

    outputs, labels = torch.tensor([[1.0], [2.0], [6.0], [1.0]]), torch.zeros(4)
    assert float(total(mean, outputs, labels)) == 10
    assert float(total(OverPairs(), outputs, labels)) == 10

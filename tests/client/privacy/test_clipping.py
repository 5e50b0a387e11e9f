"""What each patient gives to a sum: against gradients of each case by torch.func, and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.privacy.clipping import Patients, clipped_gradient, clipped_sum, factors, mean_by_patient


def each_gradient(head: nn.Linear, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each case, in the coordinates in which inputs are divided by sqrt(F): ``(N, C, F)``, ``(N, C)``."""

    def loss(parameters: dict[str, Tensor], one: Tensor, label: Tensor) -> Tensor:
        outputs = torch.func.functional_call(head, parameters, (one[None],))
        return functional.cross_entropy(outputs, label[None])

    found = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(dict(head.named_parameters()), inputs, labels)
    return found["weight"] / inputs.shape[1] ** 0.5, found["bias"]


@pytest.mark.parametrize("bound", [1e-3, 0.5, 100.0])
def test_gradients_of_single_cases_are_clipped_as_torch_func_says(bound: float) -> None:
    torch.manual_seed(0)
    head, inputs, labels = nn.Linear(12, 3).double(), torch.randn(20, 12).double(), torch.arange(20) % 3
    weights, biases = each_gradient(head, inputs, labels)
    lengths = (weights.square().sum(dim=(1, 2)) + biases.square().sum(dim=1)).sqrt()
    shrunk = bound / lengths.clamp(min=bound)
    residuals = (head(inputs).softmax(1) - functional.one_hot(labels)).detach()
    found = clipped_gradient(residuals, inputs, Patients([str(n) for n in range(20)]), bound)
    assert torch.allclose(found[0], (shrunk[:, None, None] * weights).sum(0))
    assert torch.allclose(found[1], (shrunk[:, None] * biases).sum(0))


def test_a_patient_with_many_cases_gives_no_more_than_one() -> None:
    torch.manual_seed(0)
    residuals, inputs = torch.randn(30, 2).double(), torch.randn(30, 5).double()
    alone = clipped_gradient(residuals, inputs, Patients(["a"] * 30), 0.25)
    length = torch.cat([alone[0].reshape(-1), alone[1]]).norm()
    assert length <= 0.25
    with_him = clipped_gradient(residuals, inputs, Patients(["a"] * 10 + ["b"] * 20), 0.25)
    without = clipped_gradient(residuals[10:], inputs[10:], Patients(["b"] * 20), 0.25)
    moved = torch.cat([(with_him[0] - without[0]).reshape(-1), with_him[1] - without[1]])
    assert moved.norm() <= 0.25


def test_factors_by_hand() -> None:
    """Patient a: 3 + 1 = 4, twice the bound of 2; b: 1, below it."""
    assert factors(torch.tensor([3.0, 1.0, 1.0]).double(), Patients(["a", "b", "a"]), 2.0).tolist() == [0.5, 1, 0.5]


def test_means_by_patient_and_clipped_sums_by_hand() -> None:
    rows = torch.tensor([[0.0, 4.0], [3.0, 4.0], [0.0, 2.0]])
    means = mean_by_patient(rows, Patients(["a", "b", "a"]))
    assert means.tolist() == [[0, 3], [3, 4]]
    assert clipped_sum(means, 2.5).tolist() == pytest.approx([1.5, 4.5])  # (0, 2.5) + (3, 4) / 2


def test_thousands_of_patients_are_as_many() -> None:
    """Each patient gives 1 at most, however many there are."""
    patients = Patients([f"p{n // 2}" for n in range(6000)])
    assert patients.count == 3000
    assert clipped_sum(mean_by_patient(torch.ones(6000, 1), patients), 1.0).tolist() == [3000.0]
    assert factors(torch.full((6000,), 0.5).double(), patients, 1.0).tolist() == [1.0] * 6000

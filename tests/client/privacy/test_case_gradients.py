"""Per-case gradients: one by one, by Opacus, and their sum over patients by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.privacy.case_gradients import (
    bounded_sum,
    case_gradients,
    cases_at_once,
    in_order,
    shortened,
    through_all,
)
from fedgraft.client.privacy.clipping import Patients
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.suitability import total

WEIGHTS = torch.tensor([0.5, 2.0, 1.0])


def network() -> nn.Sequential:
    """Convolutions, a frozen batch norm, a trained group norm, and a head."""
    torch.manual_seed(0)
    found = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 1),
        nn.GroupNorm(2, 8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    found.train()
    found[1].eval()
    for parameter in found[1].parameters():
        parameter.requires_grad_(False)
    return found


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(7, 3, 12, 12), torch.tensor([0, 1, 2, 1, 0, 2, 2])


def trained(of: nn.Module) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in of.named_parameters() if parameter.requires_grad}


def test_each_is_the_gradient_of_a_case_alone(batch: tuple[Tensor, Tensor]) -> None:
    of, loss = network(), CrossEntropy(WEIGHTS)
    found = case_gradients(of, trained(of), loss, *batch)
    for case, (image, label) in enumerate(zip(*batch, strict=True)):
        slopes = torch.autograd.grad(total(loss, of(image[None]), label[None]), list(trained(of).values()))
        expected = torch.cat([slope.reshape(-1) for slope in slopes])
        torch.testing.assert_close(found[case], expected, rtol=1e-4, atol=1e-5)
    together = torch.autograd.grad(total(loss, of(batch[0]), batch[1]), list(trained(of).values()))
    torch.testing.assert_close(found.sum(0), torch.cat([one.reshape(-1) for one in together]), rtol=1e-4, atol=1e-5)


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, 12))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return one @ self.weight * other


class Positioned(nn.Module):
    """Owns a parameter beside modules of its own, of which one takes two inputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.place = nn.Parameter(torch.randn(1, 12))
        self.mix = Product()
        self.head = nn.Linear(12, 12)

    def forward(self, rows: Tensor) -> Tensor:
        first = self.head(self.mix(rows, rows + self.place))
        return self.head(torch.relu_(first))[:, :3]


class Twice(nn.Module):
    """A module that is called twice, and whose output is changed in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(12, 12)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(torch.relu_(self.head(rows)))[:, :3]


@pytest.mark.parametrize("of", [Positioned(), Twice()])
def test_whatever_the_modules_are_it_is_that_of_the_whole_network(of: nn.Module) -> None:
    torch.manual_seed(2)
    rows, labels, loss = torch.randn(5, 12), torch.tensor([0, 1, 2, 1, 0]), CrossEntropy(WEIGHTS)
    found = case_gradients(of, trained(of), loss, rows, labels)
    torch.testing.assert_close(found, through_all(of, trained(of), loss, rows, labels), rtol=1e-4, atol=1e-5)


def test_opacus_gives_the_same_gradient_by_gradient(batch: tuple[Tensor, Tensor]) -> None:
    module = pytest.importorskip("opacus.grad_sample", reason="Opacus is not installed: no dependency of FedGraft's")
    of, loss = network(), CrossEntropy(WEIGHTS)
    found = case_gradients(of, trained(of), loss, *batch)
    wrapped = module.GradSampleModule(of, loss_reduction="sum")
    of[1].eval()
    total(loss, wrapped(batch[0].requires_grad_()), batch[1]).backward()
    expected = torch.cat([parameter.grad_sample.flatten(1) for parameter in trained(of).values()], dim=1)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def parts(*rows: list[list[float]]) -> Iterator[Tensor]:
    return iter([torch.tensor(some) for some in rows])


def test_a_patient_s_cases_are_added_up_before_they_are_shortened() -> None:
    """Patient 0 gives (3, 0) and (0, 4), 5 in length, shortened to 2: (1.2, 1.6); patient 1 (0, 1); patient 2 (6, 0),
    (0, 0), (2, 0), shortened to (2, 0); wherever the parts end."""
    rows, patients = [[3.0, 0.0], [0.0, 4.0], [0.0, 1.0], [6.0, 0.0], [0.0, 0.0], [2.0, 0.0]], [0, 0, 1, 2, 2, 2]
    for cut in range(1, 6):
        found = bounded_sum(parts(rows[:cut], rows[cut:]), patients, 2.0, 2)
        assert found.tolist() == pytest.approx([3.2, 2.6]), cut
    assert bounded_sum(parts(*[[row] for row in rows]), patients, 2.0, 2).tolist() == pytest.approx([3.2, 2.6])


def test_what_is_not_finite_is_left_out() -> None:
    rows = torch.tensor([[float("nan"), 0.0], [float("inf"), 1.0], [0.0, 3.0]])
    assert shortened(rows, 2.0).tolist() == [0.0, 2.0]


def test_cases_of_chosen_patients_follow_one_another() -> None:
    patients = Patients(["b", "a", "b", "c", "a"])
    assert in_order(torch.tensor([True, False, True]), patients).tolist() == [0, 2, 3]
    assert in_order(torch.tensor([True, True, True]), patients).tolist() == [0, 2, 1, 4, 3]
    assert in_order(torch.tensor([False, False, False]), patients).tolist() == []


def test_so_many_cases_at_once_as_memory_has_room_for() -> None:
    assert [cases_at_once(numbers) for numbers in (0, 1000, 1_000_000, 10**9)] == [64, 64, 16, 1]

"""Noisy steps of linear heads in closed form, beside those that write out each case's gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy import linear_steps
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.linear_steps import in_closed_form, pairs_of, train_linear
from fedgraft.client.privacy.noisy_steps import train_with_noise
from fedgraft.client.privacy.steps import NoisySteps
from fedgraft.client.training.loop import LocalTraining
from fedgraft.common.errors import DivergenceError
from fedgraft.common.heads.heads import Linear
from fedgraft.common.heads.projected import Projected
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.plan.sections import TrainSection

CPU = torch.device("cpu")
TRAIN = TrainSection("sgd", 0.5, 0.0, 0.9, 32, 1, "constant")
WIDTH, CLASSES, BOUND = 5, 3, 1.0
HEADS = {
    "nn.Linear": lambda: nn.Linear(WIDTH, CLASSES),
    "without bias": lambda: nn.Linear(WIDTH, CLASSES, bias=False),
    "plain": lambda: Linear(WIDTH, CLASSES, normalise=False),
    "normalised": lambda: Linear(WIDTH, CLASSES, normalise=True),
    "projected": lambda: Projected(WIDTH, CLASSES, dims=2, draw=0),
}


class Other(nn.Module):
    """The same head under a name that no closed form is known for."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.head(features)
        return found


def task(cases: int, seed: int, weights: Tensor | None = None, mu: float = 0.0) -> LocalTraining:
    drawn = torch.Generator().manual_seed(seed)
    inputs = 3 * torch.randn(cases, WIDTH, generator=drawn)
    examples = Examples(inputs, torch.randint(CLASSES, (cases,), generator=drawn))
    return LocalTraining(examples, CrossEntropy(weights), TRAIN, 0.5, torch.Generator(), mu)


def how(patients: str, noise: float = 1e-9, steps: int = 4) -> NoisySteps:
    return NoisySteps(steps, Patients(list(patients)), len(set(patients)), BOUND, noise, 1.0)


def trained_alone(head: nn.Module, of: LocalTraining, steps: NoisySteps) -> dict[str, Tensor]:
    """By the gradients of single cases, which `Other` makes sure of."""
    network = Other(head)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    received = {f"head.{name}": value for name, value in of.received.items()}
    train_with_noise(network, replace(of, received=received), steps, CPU)
    found = {name: value.detach().clone() for name, value in head.named_parameters()}
    network.load_state_dict(start)
    return found


def assert_near(found: object, expected: dict[str, Tensor]) -> None:
    assert isinstance(found, dict)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("patients", ["abcdef", "abacbb", "aaaaaa"])
def test_the_closed_form_leads_where_single_gradients_lead(name: str, patients: str) -> None:
    head = HEADS[name]()
    start = {key: value.detach().clone() for key, value in head.named_parameters()}
    one = task(len(patients), 1, torch.tensor([1.0, 2.0, 0.5]))
    expected = trained_alone(head, one, how(patients))
    train_with_noise(head, one, how(patients), CPU)
    assert_near(dict(head.state_dict()), expected)
    assert any(not torch.equal(value, start[key]) for key, value in expected.items())


def test_sites_together_go_where_each_goes_alone() -> None:
    """Of different sizes, with patients of their own and losses of their own, and a proximal term."""
    head = nn.Linear(WIDTH, CLASSES)
    start = {name: value.detach().clone() for name, value in head.named_parameters()}
    patients = ["abcd", "aabbccdda", "a", "xyzxy"]
    tasks = [
        replace(task(len(of), k, None if k % 2 else torch.tensor([1.0, 2.0, 3.0]), mu=0.1), received=start)
        for k, of in enumerate(patients)
    ]
    steps = [how(of) for of in patients]
    alone = [trained_alone(head, one, own) for one, own in zip(tasks, steps, strict=True)]
    for found, expected in zip(train_linear(head, start, tasks, steps, CPU), alone, strict=True):
        assert_near(found, expected)
    assert all(torch.equal(value, start[name]) for name, value in head.state_dict().items())


def test_who_has_a_case_that_is_not_finite_is_left_out() -> None:
    one = task(4, 1)
    inputs = one.examples.batch(torch.arange(4)).clone()
    inputs[1, 2] = torch.inf
    broken = replace(one, examples=Examples(inputs, one.examples.labels))
    head = nn.Linear(WIDTH, CLASSES)
    start = {name: value.detach().clone() for name, value in head.named_parameters()}
    (found,) = train_linear(head, start, [broken], [how("abab")], CPU)
    stay = replace(one, examples=Examples(inputs[[0, 2]], one.examples.labels[[0, 2]]))
    expected = trained_alone(head, stay, NoisySteps(4, Patients(["a", "a"]), 2, BOUND, 1e-9, 1.0))
    assert_near(found, expected)


def test_noise_is_each_sites_own() -> None:
    """Two sites of nobody's gradients but noise: apart from each other, and of the deviation."""
    head, quiet = nn.Linear(WIDTH, CLASSES), task(2, 1)
    start = {name: value.detach().clone() for name, value in head.named_parameters()}
    noisy = how("ab", noise=1000.0, steps=1)
    draws = [train_linear(head, start, [quiet, quiet], [noisy, noisy], CPU) for _ in range(60)]
    moved = torch.stack([torch.stack([_weights(one) - start["weight"] for one in pair]) for pair in draws])
    assert moved.std().item() == pytest.approx(0.5 * 1000 / 2, rel=0.1)
    assert abs(torch.corrcoef(moved.transpose(0, 1).reshape(2, -1))[0, 1].item()) < 0.15


def _weights(found: object) -> Tensor:
    assert isinstance(found, dict)
    weight: Tensor = found["weight"]
    return weight


def test_a_site_that_diverges_is_told_by_itself() -> None:
    head = nn.Linear(WIDTH, CLASSES)
    start = {name: value.detach().clone() for name, value in head.named_parameters()}
    calm, wild = task(2, 1), replace(task(2, 2), lr=0.5)
    one, other = how("ab", steps=1), replace(how("ab", steps=1), count=1e-45)  # type: ignore[arg-type]
    found = train_linear(head, start, [calm, wild], [one, other], CPU)
    assert isinstance(found[0], dict)
    assert isinstance(found[1], DivergenceError)


@pytest.mark.parametrize(("numbers", "pairs", "fits"), [(20, 2, True), (19, 2, False), (20, 1, False)])
def test_it_is_for_linear_heads_and_what_can_be_held(
    numbers: int, pairs: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four cases of five numbers, of two patients with two each."""
    monkeypatch.setattr(linear_steps, "_MOST_NUMBERS", numbers)
    monkeypatch.setattr(linear_steps, "_MOST_PAIRS", pairs)
    head = nn.Linear(WIDTH, CLASSES)
    trained = dict(head.named_parameters())
    assert in_closed_form(head, trained, [how("abab")]) is fits
    assert not in_closed_form(head, {"weight": trained["weight"]}, [how("abab")])
    assert not in_closed_form(nn.Sequential(head), trained, [how("abab")])


def test_pairs_of_a_patient() -> None:
    pairs = pairs_of(Patients(list("abacb")))
    assert sorted(sorted(pair) for pair in pairs.T.tolist()) == [[0, 2], [1, 4]]
    assert pairs_of(Patients(list("abc"))).shape == (2, 0)
    assert pairs_of(Patients(list("aaaa"))).shape == (2, 6)

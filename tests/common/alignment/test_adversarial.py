"""Gradient reversal: the sign, whose the discriminator is, and that it ends where nobody can tell."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.alignment.adversarial import Adversarial, discrimination_loss, reverse_gradient
from fedgraft.common.alignment.moments import Gaussian
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Reference


def made(rate: float = 0.01) -> Adversarial:
    return Adversarial(dimensions=4, normalise=False, hidden=8, discriminator_lr=rate)


def filled(adversarial: Adversarial, features: torch.Tensor, groups: int = 1) -> Reference:
    reference = adversarial.reference(features.shape[1], groups)
    sums = adversarial.sums(reference, features)
    reference.fill(dict.fromkeys(range(groups), len(features)), dict.fromkeys(range(groups), sums))
    return reference


def normal(cases: int, seed: int) -> torch.Tensor:
    return torch.randn(cases, 4, generator=torch.Generator().manual_seed(seed))


def test_a_value_stays_and_its_gradient_changes_sign() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x)
    (3 * y).sum().backward()
    assert y.tolist() == [1.0, -2.0]
    assert x.grad is not None and x.grad.tolist() == [-3.0, -3.0]


def test_the_features_get_minus_the_discriminator_s_gradient() -> None:
    """Against the plain gradient of the loss of the discriminator as it is after its own step, with the same draws."""
    adversarial = made()
    reference = filled(adversarial, normal(200, 0) + 1)
    own = normal(6, 1).requires_grad_()
    torch.manual_seed(5)
    (reversed_,) = torch.autograd.grad(adversarial.penalty(reference)(own, 0), own)
    torch.manual_seed(5)
    means = reference.means()[0]
    covariance = means["second"] - torch.outer(means["first"], means["first"])
    values, vectors = torch.linalg.eigh(covariance)
    draws = means["first"].float() + torch.randn(6, 4) @ (vectors * values.sqrt()).float().T
    discriminator = reference.discriminator
    assert discriminator is not None
    logits = discriminator(torch.cat([own, draws]))[:, 0]
    plain = functional.binary_cross_entropy_with_logits(logits, torch.tensor([0.0] * 6 + [1.0] * 6))
    (direct,) = torch.autograd.grad(plain, own)
    assert torch.allclose(reversed_, -direct, atol=1e-6)


def test_the_draws_have_the_reference_s_moments() -> None:
    adversarial = made()
    mixing = torch.tensor([[2.0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0]])
    reference = filled(adversarial, normal(4000, 3) @ mixing.T + 1)
    gaussian = Gaussian.of_means(reference.means()[0])
    assert torch.allclose(gaussian.root() @ gaussian.root().T, gaussian.covariance, atol=1e-5)
    assert torch.allclose(gaussian.covariance, mixing @ mixing.T, atol=0.3)


def test_a_call_trains_the_discriminator_in_place_and_asks_for_no_gradient_of_it() -> None:
    adversarial = made(rate=0.05)
    reference = filled(adversarial, normal(500, 0) + 2)
    discriminator = reference.discriminator
    assert discriminator is not None
    for parameter in discriminator.parameters():
        parameter.requires_grad_(False)
    before = copy.deepcopy(discriminator.state_dict())
    against, own = adversarial.penalty(reference), normal(64, 1)
    torch.manual_seed(0)
    first, *_, last = [float(against(own, 0)) for _ in range(60)]
    assert last < 0.5 * first  # it can tell: the two are 2 apart in each of four directions
    assert all(not torch.equal(tensor, before[name]) for name, tensor in discriminator.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in discriminator.parameters())


def test_features_that_follow_the_reversed_gradient_can_not_be_told_any_more() -> None:
    adversarial = made(rate=0.05)
    against = adversarial.penalty(filled(adversarial, normal(2000, 0) + 2))
    own, shift = normal(256, 1), torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.SGD([shift], 0.3)
    torch.manual_seed(0)
    for _ in range(400):
        optimizer.zero_grad()
        against(own + shift, 0).backward()
        optimizer.step()
    assert torch.allclose(shift, torch.full((4,), 2.0), atol=0.5)


def test_a_discriminator_that_knows_nothing_is_at_log_2() -> None:
    adversarial = made()
    reference = adversarial.reference(4, 2)
    discriminator = reference.discriminator
    assert discriminator is not None
    zeros = {name: torch.zeros_like(parameter) for name, parameter in discriminator.named_parameters()}
    assert float(discrimination_loss(discriminator, zeros, normal(3, 0), normal(3, 1), 1)) == pytest.approx(math.log(2))


def test_every_site_starts_with_the_same_discriminator_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other = made().reference(9, 2), made().reference(9, 2)
    assert torch.equal(torch.rand(1), expected)
    named = dict(other.named_parameters())
    assert all(torch.equal(parameter, named[name]) for name, parameter in one.named_parameters())
    assert len(named) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((0, True, 8, 0.1), r"alignment.dimensions=0 must be 1 or more"),
        ((4, True, 0, 0.1), r"alignment.hidden=0 must be 1 or more"),
        ((4, True, 8, 0.0), r"alignment.discriminator_lr=0.0 must be above 0"),
    ],
)
def test_options_that_could_do_nothing_are_refused(options: tuple[int, bool, int, float], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Adversarial(*options)

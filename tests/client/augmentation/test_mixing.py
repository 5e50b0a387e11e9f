"""Mixed cases: what a batch becomes, what its loss is, and that training with it is the plan's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.augmentation.mixing import Mixed, Mixing, mixing_of
from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planes(cases: int = 8, side: int = 10) -> Tensor:
    """Case i is i everywhere, so that a pixel says whose it is."""
    return torch.arange(float(cases))[:, None, None, None].expand(cases, 2, side, side).clone()


def test_the_loss_of_a_mixed_batch_by_hand() -> None:
    """Cases of losses 1 and 2 by their own labels, and 5 and 3 by each other's, a quarter of which counts."""
    losses = {(0, 0): 1.0, (1, 1): 2.0, (0, 1): 5.0, (1, 0): 3.0}

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        pairs = zip(outputs.tolist(), labels.tolist(), strict=True)
        return torch.tensor([losses[int(a), int(b)] for a, b in pairs]).mean()

    mixed = Mixed(torch.zeros(2, 1), torch.tensor([1, 0]), 0.75)
    given = mixed.loss(loss, torch.tensor([0.0, 1.0]), torch.tensor([0, 1]))
    assert float(given) == 0.75 * 1.5 + 0.25 * 4.0


@pytest.mark.parametrize("shape", [(5,), (3, 4, 4), (7, 6)])
def test_mixup_is_the_weighted_sum_of_a_case_and_its_partner(shape: tuple[int, ...]) -> None:
    inputs = torch.randn(6, *shape, generator=generator(1))
    before = inputs.clone()
    mixed = Mixing(mixup=1.0, cutmix=0.0).mix(inputs, generator())
    expected = mixed.share * inputs + (1 - mixed.share) * inputs[mixed.partner]
    torch.testing.assert_close(mixed.inputs, expected)
    assert sorted(mixed.partner.tolist()) == list(range(6))
    assert torch.equal(inputs, before)


def test_cutmix_pastes_a_rectangle_and_counts_its_pixels() -> None:
    draws = generator()
    for _ in range(50):
        mixed = Mixing(mixup=0.0, cutmix=1.0).mix(planes(), draws)
        for case, (image, partner) in enumerate(zip(mixed.inputs, mixed.partner.tolist(), strict=True)):
            foreign = image[0] != case
            assert set(image.unique().tolist()) <= {float(case), float(partner)}
            assert torch.equal(image[0], image[1])
            rows, columns = foreign.any(1), foreign.any(0)
            assert torch.equal(foreign, rows[:, None] & columns[None]), "a rectangle"
            if partner != case:
                assert 1 - float(foreign.float().mean()) == pytest.approx(mixed.share)


def test_shares_are_of_the_beta_distribution() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)): 1/12 for a=1, 1/5.6 for a=0.2."""
    for alpha, variance in ((1.0, 1 / 12), (0.2, 1 / 5.6)):
        draws = generator()
        shares = torch.tensor([Mixing(alpha, 0.0).mix(torch.zeros(2, 1), draws).share for _ in range(4000)])
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
        assert float(shares.var()) == pytest.approx(variance, rel=0.06)


def test_with_both_every_other_batch_or_so_is_cut() -> None:
    draws = generator()
    some = [Mixing(1.0, 1.0).mix(planes(), draws) for _ in range(400)]
    cut = sum(bool((mixed.inputs == mixed.inputs.round()).all()) for mixed in some)
    assert 150 < cut < 250


def test_it_is_drawn_from_the_generator_that_it_is_given() -> None:
    first, again, other = (Mixing(1.0, 0.0).mix(planes(), generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs, again.inputs)
    assert first.share == again.share != other.share


def test_a_plan_without_mixing_mixes_nothing(compose_plan: PlanOf) -> None:
    assert mixing_of(compose_plan()) is None
    assert mixing_of(compose_plan("augment.mixup=0.2")) == Mixing(0.2, 0.0)
    assert mixing_of(compose_plan("augment.cutmix=0.4")) == Mixing(0.0, 0.4)


def test_training_with_mixup_is_the_same_each_time_and_another_than_without(compose_plan: PlanOf) -> None:
    inputs = torch.randn(20, 4, generator=generator(2))
    task = LocalTraining(
        examples=Examples(inputs, (inputs[:, 0] > 0).long()),
        loss=nn.CrossEntropyLoss(),
        train=replace(compose_plan().train, epochs=2, batch_size=8),
        lr=0.1,
        generator=generator(),
    )

    def weights(mixing: Mixing | None) -> Tensor:
        torch.manual_seed(0)
        network = nn.Linear(4, 2)
        train_locally(network, replace(task, generator=generator(), mixing=mixing), CPU)
        return network.weight.detach()

    assert torch.equal(weights(Mixing(0.4, 0.0)), weights(Mixing(0.4, 0.0)))
    assert not torch.equal(weights(Mixing(0.4, 0.0)), weights(None))

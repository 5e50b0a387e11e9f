"""Shadow heads are what the run's own training makes of the same cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.privacy.clipping import Patients, clipped_gradient
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exact.fit import Sums
from fedgraft.server.exact.steps import at_rest, take_steps
from fedgraft.simulations.audit.finding import NotTriedError
from fedgraft.simulations.audit.heads import Heads, residuals
from fedgraft.simulations.audit.shadows.averaged import averaged
from fedgraft.simulations.audit.shadows.exact import fitted
from fedgraft.simulations.audit.shadows.private import Noisy, noisy
from fedgraft.simulations.audit.shadows.recipe import _loss, noisy_steps, recipe_of

from .pools import drawn_pool

POOL = drawn_pool(60, 7)
LOSS = nn.functional.cross_entropy
KEEP = torch.stack([torch.arange(60) % 2 == 0, torch.arange(60) % 3 > 0, torch.ones(60, dtype=torch.bool)])
PlanOf = Callable[..., Plan]


def optimum(keep: Tensor, ridge: float) -> Tensor:
    """The log odds of all cases under the ridge's optimum, by torch's L-BFGS."""
    head = nn.Linear(7, 2).double()
    descent = torch.optim.LBFGS(head.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")
    inputs = POOL.inputs.double()

    def again() -> Tensor:
        descent.zero_grad()
        found = LOSS(head(inputs[keep]), POOL.labels[keep]) + ridge / 2 * head.weight.square().sum()
        found.backward()
        return found

    descent.step(again)
    outputs = head(inputs).detach()
    return outputs[:, 1] - outputs[:, 0]


@pytest.mark.parametrize("ridge", [0.5, 0.01])
def test_exact_shadows_are_the_optimum_of_their_cases(ridge: float) -> None:
    outputs = fitted(POOL.inputs, POOL.labels, KEEP, LOSS, ridge).outputs(POOL.inputs)
    for found, keep in zip(outputs, KEEP, strict=True):
        assert torch.allclose((found[:, 1] - found[:, 0]).double(), optimum(keep, ridge), rtol=0.02, atol=0.03)


def test_private_shadows_without_noise_take_the_coordinators_steps(compose_plan: PlanOf) -> None:
    section = replace(compose_plan("privacy=record").privacy, steps=12, clip=0.2)
    patient = torch.arange(60) // 2  # two cases each
    keep = torch.ones(1, 60, dtype=torch.bool)
    how = Noisy(section, 0.0, lambda patients: 3.0)
    got = noisy(POOL.inputs, POOL.labels, patient, keep, LOSS, how, torch.Generator())
    head = nn.Linear(7, 2).double()

    def ask(weights: dict[str, Tensor]) -> Sums:
        outputs = POOL.inputs.double() @ weights["weight"].T + weights["bias"]
        slopes = residuals(outputs[None], POOL.labels, LOSS)[0]
        weight, bias = clipped_gradient(slopes, POOL.inputs, Patients(list(map(str, patient.tolist()))), 0.2)
        return Sums(0.0, {"weight": weight * 7**0.5, "bias": bias}, 30)

    start = at_rest({name: torch.zeros_like(tensor) for name, tensor in head.state_dict().items()})
    expected = take_steps(ask, start, 12, 3.0, section.momentum).weights
    assert torch.allclose(got.weight[0].double(), expected["weight"], atol=1e-5)
    assert torch.allclose(got.bias[0].double(), expected["bias"], atol=1e-5)


def test_the_noise_of_private_shadows_is_that_of_the_sum_over_sites(compose_plan: PlanOf) -> None:
    words = ("privacy=record", "strategy.precision=float64")
    alone = noisy_steps(compose_plan(*words), 9)
    shared = noisy_steps(compose_plan(*words, "aggregation=secure", "aggregation.threshold=1.0"), 9)
    assert 2.6 < alone.noise / shared.noise < 3  # nine times all of the noise, or once, which costs a little more
    assert alone.rate(1000) == pytest.approx(min(alone.section.most_rate, 2 * alone.rate(500)))


def test_shadows_go_by_the_plan_s_schedule_also_where_an_earlier_round_is_the_best(compose_plan: PlanOf) -> None:
    """Half a cosine over six rounds, of which two were taken: not one over two."""
    plan = compose_plan("head=plain", "train.schedule=cosine", "rounds=6", "train.lr=0.1", "train.epochs=1")
    keep = torch.ones(1, 60, dtype=torch.bool)
    found = recipe_of(plan, POOL, 2).train(keep, torch.Generator().manual_seed(3))
    rates = [0.1, 0.05 * (1 + math.cos(math.pi / 6))]
    wanted = averaged(
        POOL, keep, _loss(plan, POOL), plan.train, rates, 0.0, Heads.zeros(1, 2, 7), torch.Generator().manual_seed(3)
    )
    assert torch.equal(found.weight, wanted.weight)


def test_averaged_shadows_are_fedavg_by_hand(compose_plan: PlanOf) -> None:
    """Sites of whole batches: two rounds of one step each, and the mean by cases."""
    train = replace(
        compose_plan("head=plain").train,
        optimizer="sgd",
        lr=0.3,
        momentum=0.0,
        weight_decay=0.0,
        batch_size=100,
        epochs=1,
    )
    train = replace(train, schedule="constant")
    keep = torch.arange(60)[None] % 3 > 0
    got = averaged(POOL, keep, LOSS, train, [0.3, 0.3], 0.0, Heads.zeros(1, 2, 7), torch.Generator())
    weight, bias = torch.zeros(2, 7), torch.zeros(2)
    for _ in range(2):
        new, count = [torch.zeros(2, 7), torch.zeros(2)], int(keep.sum())
        for site in (0, 1):
            mine = keep[0] & (POOL.site == site)
            chances = (POOL.inputs[mine] @ weight.T + bias).softmax(dim=1)
            slopes = (chances - nn.functional.one_hot(POOL.labels[mine], 2)) / int(mine.sum())
            share = int(mine.sum()) / count
            new[0] += share * (weight - 0.3 * slopes.T @ POOL.inputs[mine])
            new[1] += share * (bias - 0.3 * slopes.sum(dim=0))
        weight, bias = new
    assert torch.allclose(got.weight[0], weight, atol=1e-5) and torch.allclose(got.bias[0], bias, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "said", "inexact"),
    [
        (("strategy=exact", "strategy.weakest=0.1"), "at ridge 0.1", ()),
        ((), "2 rounds of averaging over the sites", ()),
        (("strategy=fedadam",), "2 rounds", ("sites' updates are averaged, whatever the strategy",)),
        (("loss.weights=local",), "2 rounds", ("class weights are by all sites' counts",)),
        (("augment.mixup=0.2",), "2 rounds", ("mixing of cases is left out",)),
        (("initial=prototypes",), "2 rounds", ("initial is left out",)),
        (("privacy=site", "loss.weights=none"), "2 rounds", ("the noise that hides hospitals is left out",)),
        (("privacy=record",), "100 noisy steps", ()),
    ],
)
def test_recipes_say_what_they_do_and_leave_out(
    compose_plan: PlanOf, words: tuple[str, ...], said: str, inexact: tuple[str, ...]
) -> None:
    recipe = recipe_of(compose_plan("head=plain", *words), POOL, 2)
    assert said in recipe.said and recipe.inexact == inexact


def test_a_head_that_was_never_trained_has_no_shadows(compose_plan: PlanOf) -> None:
    with pytest.raises(NotTriedError, match="the released head was not trained"):
        recipe_of(compose_plan(), POOL, 0)


def test_partial_gradients_are_of_many_heads_at_once() -> None:
    heads = Heads(torch.randn(3, 2, 7, generator=torch.Generator().manual_seed(1)), torch.zeros(3, 2))
    whole = partial(residuals, labels=POOL.labels, loss=LOSS)(heads.outputs(POOL.inputs))
    for place in range(3):
        one = nn.functional.softmax(POOL.inputs @ heads.weight[place].T, dim=1)
        assert torch.allclose(whole[place], one - nn.functional.one_hot(POOL.labels, 2), atol=1e-5)
    odds = heads.confidences(POOL.inputs, POOL.labels)
    outputs = heads.outputs(POOL.inputs)
    own = outputs.gather(2, POOL.labels[None, :, None].expand(3, -1, 1))[..., 0]
    assert torch.allclose(odds, 2 * own - outputs.sum(dim=2), atol=1e-5)

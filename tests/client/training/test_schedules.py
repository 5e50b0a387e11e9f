"""Rates by stage: numbers by hand on a CNN and a vision transformer, kept up to a stage or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.schedules import rates
from fedgraft.common.models.build import build
from fedgraft.common.models.depths import names_of_depths
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
FREE = ("backbone.freeze=blocks.1", "rounds=20")


def rate_of(found: dict[str, float], beginning: str) -> set[float]:
    return {factor for name, factor in found.items() if name.startswith(beginning)}


def made(compose_plan: Composer, *overrides: str) -> tuple[Plan, Model]:
    plan = compose_plan(*overrides)
    return plan, build(plan, None)


def test_without_either_option_no_factor_differs_from_one(compose_plan: Composer) -> None:
    plan, model = made(compose_plan, *FREE)
    assert rates(plan.train, model, 1) == {}


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_each_stage_learns_so_many_times_as_fast_as_the_next(compose_plan: Composer, name: str) -> None:
    plan, model = made(compose_plan, f"backbone.name={name}", *FREE, "train.layer_decay=0.5")
    found = rates(plan.train, model, 1)
    names = [n for n, parameter in model.network.named_parameters() if parameter.requires_grad]
    order = names_of_depths(names, model.stages)
    assert len(order) >= 3
    for depth, stage in enumerate(order[1:], start=1):
        tensors = next(s.tensors for s in model.stages if s.name == stage)
        factors = {found[f"backbone.{tensor}"] for tensor in tensors if f"backbone.{tensor}" in found}
        assert factors == {0.5**depth}
    assert not rate_of(found, "head")  # 1, and so not named
    own = dict(model.constant.trained.named_parameters())
    assert set(found) <= set(own)
    assert set(own) - set(found) == {"head.weight", "head.bias"} | {n for n, p in own.items() if not p.requires_grad}


def test_stages_are_unfrozen_from_the_head_down(compose_plan: Composer) -> None:
    plan, model = made(compose_plan, *FREE, "train.unfreeze=2")
    names = [n for n, parameter in model.network.named_parameters() if parameter.requires_grad]
    below = len(names_of_depths(names, model.stages)) - 1
    resting = []
    for number in range(1, 2 * below + 2):
        found = rates(plan.train, model, number)
        assert set(found.values()) <= {0.0}
        stages = {s.name for s in model.stages if f"backbone.{s.tensors[0]}" in found}
        resting.append(len(stages))
    # rounds 1 and 2: the head alone; then one stage more every other round
    assert resting == [below - (number - 1) // 2 for number in range(1, 2 * below + 2)]


def test_both_together(compose_plan: Composer) -> None:
    plan, model = made(compose_plan, *FREE, "train.unfreeze=1", "train.layer_decay=0.25")
    names = [n for n, parameter in model.network.named_parameters() if parameter.requires_grad]
    last = names_of_depths(names, model.stages)[1]
    second = rates(plan.train, model, 2)
    tensors = {f"backbone.{tensor}" for s in model.stages if s.name == last for tensor in s.tensors}
    assert {factor for name, factor in second.items() if name in tensors} == {0.25}
    assert {factor for name, factor in second.items() if name not in tensors} == {0.0}


def test_a_layer_after_a_stage_waits_for_its_turn(compose_plan: Composer) -> None:
    plan, model = made(compose_plan, "adaptation=ssf", "train.unfreeze=1", "rounds=20")
    last = model.stages[-1].name.replace(".", "_")
    second = rates(plan.train, model, 2)
    assert rate_of(second, f"adapters.{last}.") == set()  # its turn: 1
    assert rate_of(second, "adapters.stem.") == {0.0}


def test_the_norms_of_a_stage_that_waits_for_its_turn_keep_their_statistics(compose_plan: Composer) -> None:
    plan, model = made(compose_plan, *FREE, "train.unfreeze=2", "backbone.batch_norm=train")
    trained = model.constant.trained
    examples = Examples(torch.randn(8, *model.constant.shape), torch.arange(8) % plan.data.outputs)
    moved = []
    for number in (1, 3):  # the head alone; then with the last stage
        before = {name: value.clone() for name, value in model.state.items() if "running_" in name}
        loss, generator = functional.cross_entropy, torch.Generator().manual_seed(0)
        task = LocalTraining(examples, loss, plan.train, 0.1, generator, rates=rates(plan.train, model, number))
        train_locally(trained, task, torch.device("cpu"))
        moved.append({name for name, value in before.items() if not torch.equal(model.state[name], value)})
    last = names_of_depths([n for n, p in model.network.named_parameters() if p.requires_grad], model.stages)[1]
    (stage,) = (s for s in model.stages if s.name == last)
    assert moved == [set(), {f"backbone.{name}" for name in stage.tensors if "running_" in name}]
    assert moved[1]

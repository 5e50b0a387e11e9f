"""A plan that asks for too much is refused by name and value, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import yaml
from pydantic import TypeAdapter

from fedgraft.client.fence.came import require_norms_within
from fedgraft.client.fence.plan_bounds import (
    allowing,
    beyond,
    require_model_within,
    require_plan_within,
    require_steps_within,
)
from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import BoundsError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan


def test_all_that_is_too_much_is_named_with_its_value(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("head=mlp", "head.hidden=65536", "rounds=100000", "train.lr=30", "train.epochs=1000000000")
    with pytest.raises(BoundsError) as caught:
        require_plan_within(plan, Bounds())
    assert set(caught.value.problems) == {
        "rounds=100000 is above bounds.rounds=1000",
        "train.lr=30 is above bounds.rate=10",
        "train.epochs=1e+09 is above bounds.epochs=100",
        "head.hidden=65536 is above bounds.width=4096",
    }


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("rounds=2000", "train.lr=30"), "bounds: {rate: 30.0, rounds: 2000, norm: 5.0}"),
        (
            ("head=mlp", "head.hidden=65536", "train.epochs=200"),
            "bounds: {width: 65536, parameters: 4294967296, epochs: 200, norm: 5.0}",
        ),
        (("train.lr=3", "train.weight_decay=0.0411"), "bounds: {forget: 0.125, norm: 5.0}"),
    ],
)
def test_the_line_that_is_said_to_allow_a_plan_does(
    compose_plan: Callable[..., Plan], words: tuple[str, ...], line: str
) -> None:
    plan, own = compose_plan(*words), Bounds(norm=5.0)
    assert allowing(plan, own) == line
    assert list(beyond(plan, TypeAdapter(Bounds).validate_python(yaml.safe_load(line)["bounds"]))) == []


def test_the_rate_of_a_personalisation_is_bounded_too(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("personal=finetune", "personal.lr=20")
    with pytest.raises(BoundsError, match=r"personal.lr=20 is above bounds.rate=10"):
        require_plan_within(plan, Bounds())


def test_a_part_whose_numbers_together_are_too_large_is_refused_before_it_is_built(
    compose_plan: Callable[..., Plan],
) -> None:
    plan = compose_plan("head=mlp", "head.hidden=4000")
    plan = replace(plan, head=replace(plan.head, options={**plan.head.options, "layers": 4000}))
    with pytest.raises(BoundsError, match=r"head.hidden=4000.*may make more than bounds.parameters=50000000"):
        require_plan_within(plan, Bounds())


def test_a_model_that_is_too_wide_or_too_large(compose_plan: Callable[..., Plan]) -> None:
    model = build(compose_plan("head=mlp", "head.hidden=16"), None)
    require_model_within(model, Bounds())
    small = Bounds(width=8, parameters=100, bytes=1000)
    with pytest.raises(BoundsError) as caught:
        require_model_within(model, small)
    said = " ".join(caught.value.problems)
    assert "numbers are trained, bounds.parameters=100" in said
    assert "has 16 rows, bounds.width=8" in said
    assert "bytes come with each message, bounds.bytes=1000" in said


def test_steps_of_a_round(compose_plan: Callable[..., Plan]) -> None:
    """Two epochs of eleven cases by four are six steps."""
    plan = compose_plan("train.epochs=2", "train.batch_size=4")
    require_steps_within(plan, 11, Bounds(steps=6))
    with pytest.raises(BoundsError, match=r"train.epochs=2 with train.batch_size=4 takes 6 steps .* bounds.steps=5"):
        require_steps_within(plan, 11, Bounds(steps=5))


def test_the_norms_of_what_comes_to_be_trained() -> None:
    came = {"head.weight": torch.full((2, 2), 3.0), "head.bias": torch.zeros(2), "running_var": torch.full((4,), 1e9)}
    require_norms_within(came, ("head.weight", "head.bias"), Bounds(norm=6))
    with pytest.raises(BoundsError, match=r"head.weight came with norm 6, bounds.norm=5"):
        require_norms_within(came, ("head.weight", "head.bias"), Bounds(norm=5))

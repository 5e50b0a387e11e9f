"""Red flags: each by its name, and none for a plan that is not dangerous."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import all_dangers, case_dangers, pixel_dangers, plan_dangers

PlanOf = Callable[..., Plan]
MANY = {"north": [20, 30], "south": [15, 9]}


def test_a_usual_plan_over_usual_hospitals_has_none(compose_plan: PlanOf) -> None:
    for words in ((), ("aggregation=secure",), ("privacy=record",), ("personal=intercept", "head=plain")):
        assert all_dangers(compose_plan(*words), MANY) == []


@pytest.mark.parametrize(
    ("words", "name", "text"),
    [
        (("strategy=exact",), "gradients in the clear", "set aggregation=secure, or privacy=record"),
        (("train.batch_size=1",), "batches of one", "train.batch_size=1: each local step is one patient's gradient"),
        (("personal=ditto",), "personal models", "its own patients alone have trained"),
        (("personal=fedper", "adaptation=ssf"), "personal models", "its own patients alone have trained"),
        (("privacy=record", "privacy.epsilon=12"), "a weak promise", "privacy.epsilon=12 promises next to nothing"),
    ],
)
def test_a_dangerous_plan_is_named(compose_plan: PlanOf, words: tuple[str, ...], name: str, text: str) -> None:
    (found,) = plan_dangers(compose_plan(*words))
    assert found.name == name and text in str(found) and str(found).startswith(f"red flag, {name}: ")


def test_gradients_in_secure_sums_or_with_noise_are_no_danger(compose_plan: PlanOf) -> None:
    assert plan_dangers(compose_plan("strategy=exact", "aggregation=secure")) == []
    assert plan_dangers(compose_plan("privacy=record")) == []


def test_one_case_of_a_class_and_one_case_in_all(compose_plan: PlanOf) -> None:
    few = {**MANY, "east": [8, 1]}
    (found,) = all_dangers(compose_plan(), few)
    assert (found.name, "east has a class with one training case" in found.text) == ("one case of a class", True)
    both = case_dangers(compose_plan(), "west", [0, 1])
    assert [one.name for one in both] == ["one case of a class", "an update of one case"]
    assert "west has one training case: its update is that patient's gradient" in both[1].text
    for words in ("privacy=record", "aggregation=secure"):
        assert all_dangers(compose_plan(words), few) == []


def test_a_delta_that_is_large_for_so_many_cases(compose_plan: PlanOf) -> None:
    plan = compose_plan("privacy=record", "privacy.delta=0.009")
    (found,) = all_dangers(plan, MANY)
    assert "privacy.delta=0.009 is not well below one in 74 cases" in found.text and "0.001 or less" in found.to_do


def test_a_graft_that_sees_pixels_in_the_clear(compose_plan: PlanOf) -> None:
    (found,) = pixel_dangers(compose_plan(), True)
    assert "begins at the picture" in found.text
    assert pixel_dangers(compose_plan(), False) == pixel_dangers(compose_plan("aggregation=secure"), True) == []

"""What ``calibration`` leaves no room for, each by name; and that the default is no part of a plan's digest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.common.plan.summary import summary_lines

PlanOf = Callable[..., Plan]
SURVIVAL = ("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")
PREVALENCE = (
    "calibration.prevalence must be one share with two classes, or a list of one for each class or finding; those of "
    "classes add up to 1"
)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ("calibration.method=none",),
            "calibration.by_site has no effect with calibration.method=none; set it to false, as calibration=none does",
        ),
        (
            ("calibration=none", "calibration.prevalence=0.1"),
            "calibration.prevalence has no effect with calibration.method=none: what prevalence the model's own "
            "probabilities are meant for is not known; use calibration=platt",
        ),
        (
            ("calibration.by_site=false", "calibration.min_cases=10"),
            "calibration.min_cases has no effect with calibration.by_site=false; set it to 30",
        ),
        (
            (*SURVIVAL, "calibration=isotonic"),
            "calibration has no effect with a data.task that has no probabilities; use calibration=none",
        ),
        (("calibration.prevalence=[0.1,0.2]",), PREVALENCE),
        (("data.classes=[a,b,c]", "calibration.prevalence=0.3"), PREVALENCE),
        (("data.classes=[a,b,c]", "calibration.prevalence=[0.1,0.2,0.3]"), PREVALENCE),
    ],
)
def test_what_has_no_effect_is_refused(plan_of: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    assert text in caught.value.problems


@pytest.mark.parametrize(
    "overrides",
    [
        SURVIVAL,
        (*SURVIVAL, "calibration=none"),
        ("calibration.prevalence=0.1",),
        ("data.classes=[a,b,c]", "calibration.prevalence=[0.1,0.2,0.7]"),
        ("data.task=multilabel", "loss=binary_cross_entropy", "calibration.prevalence=[0.5,0.9]"),
    ],
)
def test_what_fits_is_a_plan(plan_of: PlanOf, overrides: tuple[str, ...]) -> None:
    plan = plan_of(*overrides)
    assert from_dict(plan.to_dict()) == plan


def test_a_plan_from_before_there_was_calibration_keeps_its_digest(plan_of: PlanOf) -> None:
    plan = plan_of()
    old = from_dict({name: value for name, value in plan.to_dict().items() if name != "calibration"})
    assert old == plan
    assert old.digest == plan.digest
    assert plan_of("calibration=isotonic").digest != plan.digest


def test_what_differs_from_the_default_is_said(plan_of: PlanOf) -> None:
    assert not any(line.startswith("calibration") for line in summary_lines(plan_of()))
    assert "calibration: method=isotonic" in summary_lines(plan_of("calibration=isotonic"))

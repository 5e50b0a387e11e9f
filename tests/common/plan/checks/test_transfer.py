"""Options of `initial` that contradict others; each text is asserted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
MULTILABEL = ("data.task=multilabel", "loss=binary_cross_entropy")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("initial=prototypes", *MULTILABEL), "need data.task=classification: one class per case"),
        (("initial=ridge", *MULTILABEL), "need data.task=classification: one class per case"),
        (
            ("initial=prototypes", "loss.weights=local", "release.class_counts=false"),
            "need release.class_counts=true: their sums hold the cases by class",
        ),
        (("initial.interpolate=[0.5]",), "initial.interpolate needs an initial head that tells classes apart"),
        (("initial=zeros", "initial.interpolate=[0.5]"), "needs an initial head that tells classes apart"),
        (("initial=prototypes", "initial.interpolate=[0.5,0.5]"), "initial.interpolate names a share twice"),
        (("initial=prototypes", "initial.interpolate=[1.0]"), r"interpolate=\[1.0\] has no effect"),
        (
            ("initial=prototypes", "initial.interpolate=[0.5]", "personal=ditto"),
            "with `personal` a site evaluates one of its own",
        ),
        (
            ("initial=prototypes", "initial.interpolate=[0.5]", "release.evaluation=false"),
            "initial.interpolate needs release.evaluation=true",
        ),
        (
            ("initial=prototypes", "initial.interpolate=[0.5]", "data.val_fraction=0"),
            "initial.interpolate needs data.val_fraction > 0",
        ),
    ],
)
def test_a_contradiction_is_said(plan_of: PlanOf, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        plan_of(*overrides)


@pytest.mark.parametrize(
    "overrides",
    [
        ("initial=zeros",),
        ("initial=ridge", "initial.alpha=10", "initial.balanced=false"),
        ("initial=prototypes", "initial.margin=4", "initial.interpolate=[0.0,0.5,1.0]"),
    ],
)
def test_these_are_plans(plan_of: PlanOf, overrides: tuple[str, ...]) -> None:
    assert plan_of(*overrides).initial.target is not None


@pytest.mark.parametrize("option", ["initial=ridge initial.alpha=0", "initial=prototypes initial.margin=-1"])
def test_a_number_that_must_be_above_zero(plan_of: PlanOf, option: str) -> None:
    with pytest.raises(PlanError, match="greater than 0"):
        plan_of(*option.split())

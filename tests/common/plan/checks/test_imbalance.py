"""What contradicts itself, or would do nothing, about losses and samplings: each text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SURVIVAL = ("data.task=survival", "data.classes=[]", "loss=cox")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ("loss.weights=none", "loss.scheme=square_root"),
            "loss.scheme has no effect with loss.weights=none; set loss.weights to local or global, or "
            "loss.scheme=inverse",
        ),
        (
            ("loss.scheme=effective",),
            "loss.scheme=effective needs loss.beta, for instance 0.999: the effective number is at most 1 / (1 - beta)",
        ),
        (("loss.beta=0.9",), "loss.beta has no effect unless loss.scheme=effective; set it to null"),
        (
            ("loss.scheme=effective", "loss.beta=0"),
            "loss.beta=0 makes every class weight 1; raise it (0.9 to 0.9999), or set loss.weights=none",
        ),
        (
            ("loss=logit_adjusted", "release.class_counts=false"),
            "loss.prior=global needs release.class_counts=true: the counts are summed over the sites",
        ),
        (
            (*SURVIVAL, "loss.prior=local"),
            "loss.prior has no effect with data.task=survival, which has no classes; set it to none",
        ),
        (
            (*SURVIVAL, "loss.absent=mask"),
            "loss.absent has no effect with data.task=survival, which has no classes; set it to keep",
        ),
        (
            (*SURVIVAL, "sampling=over"),
            "sampling goes by a case's one class, which only data.task=classification has; set sampling=none",
        ),
        (
            ("sampling=over",),
            "sampling and loss.weights with loss.scheme=inverse would each make up for rare classes in full, and "
            "together twice; set loss.weights=none or sampling=none",
        ),
        (
            ("sampling=balanced", "loss=logit_adjusted"),
            "sampling changes how often classes are shown, and loss.prior goes by how many cases there are; use a loss "
            "without a prior, or sampling=none",
        ),
        (
            ("loss=logit_adjusted", "loss.weights=local"),
            "loss.weights=local has no effect: logit_adjusted takes no class_weights",
        ),
        (
            ("loss.prior=local",),
            "loss.prior=local has no effect: cross_entropy takes no class_counts; set it to none, or use "
            "loss=logit_adjusted or ldam",
        ),
        (
            ("loss=ldam", "loss.prior=none"),
            "loss.prior=none, but ldam needs class counts; set it to global or local",
        ),
        (
            ("loss=logit_adjusted", "loss.prior=local", "loss.absent=mask"),
            "loss.absent=mask has no effect: with loss.prior=local, logit_adjusted leaves out absent classes already; "
            "set it to keep",
        ),
    ],
)
def test_it_is_refused_in_words(plan_of: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    assert text in caught.value.problems


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss.scheme=square_root",),
        ("loss.scheme=effective", "loss.beta=0.999", "loss.weights=local"),
        ("sampling=balanced", "loss.scheme=square_root"),
        ("loss=ldam", "loss.weights=global", "loss.scheme=effective", "loss.beta=0.99", "loss.absent=distil"),
        ("loss=focal", "loss.weights=none", "sampling=under", "loss.absent=mask"),
    ],
)
def test_what_goes_together(plan_of: PlanOf, overrides: tuple[str, ...]) -> None:
    plan_of(*overrides)

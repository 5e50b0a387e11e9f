"""What ``strategy=exact`` leaves no room for, each by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ("strategy.fraction=0.5",),
            "strategy=exact minimises a sum over all sites, and strategy.fraction below 1 would ask others each time; "
            "set it to 1",
        ),
        (
            ("augment.mixup=0.2",),
            "strategy=exact fits every case as it is, and augment.mixup and cutmix draw mixtures anew in each epoch; "
            "set both to 0",
        ),
        (
            ("sampling=over", "loss.weights=none"),
            "strategy=exact fits every case once, and draws none; set sampling=none, and loss.weights=global for rare "
            "classes",
        ),
        (
            ("alignment=coral",),
            "strategy=exact trains nothing before the head that an alignment could move; set alignment=none",
        ),
        (
            ("strategy.tolerance=1e-6",),
            "strategy.tolerance below 1e-5 is finer than strategy.precision=float32 can tell; set "
            "strategy.precision=float64, or a tolerance of 1e-5 or more",
        ),
        (
            ("rounds=0", "initial=ridge"),
            "strategy=exact fits a head in each round, and has no effect with rounds=0; set rounds to 1 or more, or "
            "leave it out (strategy=fedavg)",
        ),
        (("personal=ditto",), "strategy=exact fits one head for all sites; set personal=none, or personal=intercept"),
        (
            ("compression=float16",),
            "strategy=exact needs its gradients unrounded, or the fit would end where the rounding does; set "
            "compression=none",
        ),
        (
            ("loss.absent=mask",),
            "strategy=exact sums over sites, and what one site lacks others have: loss.absent has nothing to mend; set "
            "it to keep",
        ),
        (
            ("release.class_counts=false", "loss.weights=none"),
            "strategy=exact asks for gradients, from which class counts can be computed, and "
            "release.class_counts=false withholds them; set it to true",
        ),
        (
            ("release.train_loss=false",),
            "strategy=exact minimises the sites' loss, and release.train_loss=false withholds it; set it to true",
        ),
        (
            ("train.unfreeze=1",),
            "strategy=exact trains the head alone: train.unfreeze and train.layer_decay have no effect; set them to 0 "
            "and 1",
        ),
        (
            ("rounds=6", "strategy.strongest=0.01", "strategy.weakest=0.1"),
            "strategy=exact with rounds=6 goes from strategy.strongest=0.01 down to strategy.weakest=0.1: both must be "
            "above 0, and strongest the larger one; for a single ridge set rounds=1 and strategy.weakest",
        ),
        (("strategy.tolerance=0",), "strategy.tolerance=0: input should be greater than 0"),
        (("strategy.memory=0",), "strategy.memory=0: input should be greater than or equal to 1"),
        (("strategy.ridges=[1]",), "strategy.ridges is not an option"),
    ],
)
def test_what_contradicts_it_is_named(compose_plan: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        compose_plan("strategy=exact", *("+" * word.startswith("strategy.ridges") + word for word in overrides))
    assert any(text in problem for problem in caught.value.problems), caught.value.problems


def test_views_class_weights_held_out_sites_and_another_start_are_allowed(compose_plan: PlanOf) -> None:
    compose_plan("strategy=exact", "augment=radiograph", "hold_out=[birch]", "initial=ridge", "loss.weights=local")
    compose_plan("strategy=exact", "rounds=1", "strategy.weakest=0")

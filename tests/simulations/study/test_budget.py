"""How often the federation shows its cases: by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.study.budget import budget_factor, budget_sentences

Composer = Callable[..., Plan]


@pytest.mark.parametrize(
    ("overrides", "factor"),
    [
        ((), 1),
        (("personal=fedper", "adaptation=ssf"), 1),
        (("personal=fedrep", "personal.head_epochs=3", "train.epochs=2", "adaptation=ssf"), 2.5),
        (("personal=ditto", "train.epochs=2"), 2),
        (("personal=ditto", "train.epochs=2", "personal.epochs=1"), 1.5),
        (("personal=finetune", "rounds=2", "personal.epochs=5"), 3.5),
    ],
)
def test_the_factor(compose_plan: Composer, overrides: tuple[str, ...], factor: float) -> None:
    plan = compose_plan(*overrides)
    assert budget_factor(plan) == factor
    assert [f"shows each training case {factor:.3g} times as often" in one for one in budget_sentences(plan)] == (
        [] if factor == 1 else [True]
    )


def test_a_part_of_the_sites_is_said(compose_plan: Composer) -> None:
    (said,) = budget_sentences(compose_plan("strategy.fraction=0.5"))
    assert said.startswith("Not the same budget: with strategy.fraction=0.5")

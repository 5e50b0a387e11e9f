"""Which heads a path of ridges fits, and the path itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.exact.suitability import is_convex
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

PlanOf = Callable[..., Plan]
MORE = (
    "strategy=exact fits a head on features that are computed once and kept, and here more is trained or computed anew"
)


def test_ridges_fall_by_equal_ratios_and_a_single_one_is_the_weakest() -> None:
    path = ExactPath(strongest=1.0, weakest=1e-4, tolerance=1e-4, most_evaluations=10, memory=5, precision="float32")
    assert path.ridges(3) == pytest.approx((1.0, 0.01, 0.0001))
    assert path.ridges(2) == (1.0, 1e-4)
    assert path.ridges(1) == (1e-4,)
    with pytest.raises(PlanError, match=r"rounds=2 goes from strategy.strongest=1 down to strategy.weakest=0: both"):
        ExactPath(1.0, 0.0, 1e-4, 10, 5, "float32").ridges(2)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("backbone.freeze=blocks.2",), MORE),
        (("adaptation=ssf",), MORE),
        (("engine.keep=false",), MORE),
        (("head=mlp", "head.dropout=0.1"), "strategy=exact draws nothing at random: set head.dropout=0 of head=mlp"),
        (
            ("head=cosine",),
            "the outputs of head=cosine do not depend on the length of its weights, which a ridge would shrink to 0; "
            "set strategy.weakest=0 rounds=1",
        ),
    ],
)
def test_a_head_that_it_can_t_fit_is_refused(compose_plan: PlanOf, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        build(compose_plan("strategy=exact", *overrides), None)


@pytest.mark.parametrize(
    ("overrides", "convex"),
    [
        (("head=linear",), True),
        (("head=plain",), True),
        (("loss=focal",), False),
        (("head=mlp", "head.dropout=0"), False),
        (("head=cosine", "rounds=1", "strategy.weakest=0"), False),
    ],
)
def test_it_knows_whether_there_is_one_optimum(compose_plan: PlanOf, overrides: tuple[str, ...], convex: bool) -> None:
    plan = compose_plan("strategy=exact", *overrides)
    model = build(plan, None)
    assert is_convex(plan, model.network.head, model.width, OURS) is convex

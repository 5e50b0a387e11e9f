"""A start that the head can't have is refused when the model is built."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import Linear
from fedgraft.common.heads.start import build_initial, no_sums, require_initial
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

PlanOf = Callable[..., Plan]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("initial=prototypes head=mlp", "initial=prototypes: head=mlp has not one weight per class and feature"),
        ("initial=ridge head=mlp", "initial=ridge: head=mlp is no linear layer with a bias"),
        ("initial=ridge head=cosine", "initial=ridge: head=cosine is no linear layer with a bias"),
        ("initial=zeros head=cosine", "initial=zeros: zeros would leave head=cosine nothing to learn from"),
        ("initial=prototypes initial.margin=3 head=cosine", "initial.margin has no effect on a head without a bias"),
    ],
)
def test_a_head_that_can_t_start_so(small: PlanOf, overrides: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        build(small("test_efficientnet", *overrides.split()), None)


@pytest.mark.parametrize("overrides", ["initial=prototypes head=cosine", "initial=ridge", "initial=zeros"])
def test_a_head_that_can(small: PlanOf, overrides: str) -> None:
    assert build(small("test_efficientnet", *overrides.split()), None).network.head is not None


def test_a_head_that_each_site_keeps_has_no_common_start(small: PlanOf) -> None:
    plan, head = small("test_efficientnet", "initial=prototypes"), Linear(2, 2, normalise=True)
    with pytest.raises(PlanError, match="initial=prototypes gives all sites one head, but personal keeps the head"):
        require_initial(plan, head, {"head.weight": "local", "head.bias": "local"}, OURS)


def test_the_shapes_of_the_sums_follow_from_the_head(small: PlanOf) -> None:
    initial = build_initial(small("test_efficientnet", "initial=ridge"), OURS)
    sums = no_sums(initial, {"weight": torch.zeros(2, 5), "bias": torch.zeros(2)}, 2)
    shapes = {name: tuple(tensor.shape) for name, tensor in sums.items()}
    assert shapes == {"counts": (2,), "sums": (2, 5), "moments": (15,)}
    assert not any(tensor.any() for tensor in sums.values())
    assert no_sums(build_initial(small("test_efficientnet", "initial=zeros"), OURS), {}, 2) == {}


def test_a_plan_without_one_builds_none(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"the plan names no initial\._target_"):
        build_initial(small("test_efficientnet"), OURS)

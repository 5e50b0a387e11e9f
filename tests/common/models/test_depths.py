"""How deep tensors lie below the head, and rates by stage that would have no effect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.models.build import build
from fedgraft.common.models.depths import depths, names_of_depths, opened
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import TrainSection

PlanOf = Callable[..., Plan]
STAGES = (
    Stage("stem", ("conv.weight",), "conv", ("conv",)),
    Stage("blocks.1", ("blocks.1.weight",), "blocks.1", ("blocks.1",)),
    Stage("blocks.10", ("blocks.10.weight",), "blocks.10", ("blocks.10",)),
    Stage("norm", ("norm.weight", "last.bias"), "last", ("norm", "last")),
)


def test_depths_by_hand() -> None:
    names = ["head.weight", "backbone.blocks.10.weight", "backbone.conv.weight"]
    assert depths(names, STAGES) == {
        "head.weight": 0,
        "backbone.blocks.10.weight": 1,
        "backbone.conv.weight": 2,  # stages between that are frozen do not count
    }
    assert names_of_depths(names, STAGES) == ["head", "blocks.10", "stem"]


def test_an_adaptation_layer_belongs_to_the_stage_it_is_named_after() -> None:
    names = ["adapters.blocks_1.scale", "adapters.blocks_10.attn_qkv.down", "adapters.stem.scale", "adapters.norm.up"]
    assert depths([*names, "adapters.domain.weight"], STAGES) == {
        "adapters.norm.up": 1,
        "adapters.blocks_10.attn_qkv.down": 2,
        "adapters.blocks_1.scale": 3,
        "adapters.stem.scale": 4,
        "adapters.domain.weight": 0,
    }
    assert names_of_depths(names, STAGES) == ["head", "norm", "blocks.10", "blocks.1", "stem"]


@pytest.mark.parametrize(("unfreeze", "expected"), [(1, [0, 1, 2, 3]), (2, [0, 0, 1, 1]), (3, [0, 0, 0, 1])])
def test_what_is_open_in_rounds_1_to_4(unfreeze: int, expected: list[int]) -> None:
    train = TrainSection("sgd", 0.1, 0.0, 0.0, 32, 1, "constant", unfreeze=unfreeze)
    assert [opened(train, number) for number in range(1, 5)] == expected


@pytest.mark.parametrize("option", ["layer_decay=0.5", "unfreeze=1"])
def test_rates_by_stage_without_a_free_stage_have_no_effect(small: PlanOf, option: str) -> None:
    with pytest.raises(PlanError, match=rf"train\.{option.partition('=')[0]} has no effect: only the head is trained"):
        build(small("test_efficientnet", f"train.{option}"), None)


def test_a_stage_whose_turn_never_comes_is_an_error(small: PlanOf) -> None:
    overrides = ("backbone.freeze=blocks.1", "train.unfreeze=2", "rounds=4")
    with pytest.raises(PlanError, match=r"train\.unfreeze=2 with rounds=4 never trains .*blocks.2.*use at least \d+ r"):
        build(small("test_efficientnet", *overrides), None)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "test_convnext"])
def test_every_stage_of_a_network_has_its_depth(small: PlanOf, name: str) -> None:
    model = build(small(name, "backbone.freeze=none", "train.layer_decay=0.5", "train.unfreeze=1"), None)
    names = [name for name, _ in model.network.named_parameters()]
    with_weights = [s.name for s in model.stages if any(f"backbone.{t}" in names for t in s.tensors)]
    assert names_of_depths(names, model.stages) == ["head", *reversed(with_weights)]


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_scale_and_shift_lies_at_its_stage(small: PlanOf, name: str) -> None:
    model = build(small(name, "adaptation=ssf", "train.layer_decay=0.5"), None)
    names = model.names("shared")
    assert names_of_depths(names, model.stages) == ["head", *(stage.name for stage in reversed(model.stages))]

"""The pieces of several networks: split and joined again, and computed each by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.models.pieces import joined, split
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
ONE = "{name: test_efficientnet, size: 32, pretrained: false}"
TWO = f"features.networks=[{ONE}, {{name: test_vit, size: 32, pretrained: false}}]"


def two(plan_of: PlanOf, *more: str) -> Model:
    return build(plan_of(TWO, "features=taps", "data.image_size=null", *more), None)


def test_each_computes_its_part_of_the_features(plan_of: PlanOf) -> None:
    model, images = two(plan_of), torch.rand(2, 3, 32, 32)
    pieces = model.constant.pieces
    parts = [piece.compute(images) for piece in pieces]
    assert [part.shape[1:] for part in parts] == [piece.shape for piece in pieces]
    torch.testing.assert_close(torch.cat(parts, 1), model.constant.compute(images))
    assert sum(piece.shape[0] for piece in pieces) == model.width


def test_each_says_what_its_rows_depend_on(plan_of: PlanOf) -> None:
    first, second = (piece.said for piece in two(plan_of).constant.pieces)
    assert first.startswith("features|test_efficientnet@32|fedgraft.common.features.taps.Taps|")
    assert second.startswith("features|test_vit@32|")
    other, _ = (piece.said for piece in two(plan_of, "features.statistics=[mean]").constant.pieces)
    assert other != first
    scaled, _ = (piece.said for piece in two(plan_of, "features.scale=own").constant.pieces)
    assert scaled == first, "the same rows serve every scale"


def test_a_state_is_split_by_network_under_its_own_names_and_joined_again(plan_of: PlanOf) -> None:
    model = two(plan_of)
    state, pieces = model.backbone_state(), model.constant.pieces
    parts = split(state, pieces)
    assert "conv_stem.weight" in parts[0] and "patch_embed.proj.weight" in parts[1]
    again = joined(parts, plan_of(TWO, "data.image_size=null"))
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)
    digests = [tensors.digest(part) for part in parts]
    assert [digest for digest, _ in model.backbone_pieces()] == digests
    assert model.backbone_name == "+".join(digests)
    assert list(model.backbone_states()) == digests


def test_one_network_is_one_piece(small: PlanOf) -> None:
    model = build(small("test_efficientnet", "features=taps"), None)
    state = model.backbone_state()
    assert model.constant.pieces == ()
    assert split(state, ()) == [state] and joined([state], small("test_efficientnet")) is state
    assert model.backbone_name == tensors.digest(state)


def test_a_list_of_one_network_is_a_piece_too(plan_of: PlanOf) -> None:
    plan = plan_of(f"features.networks=[{ONE}]", "data.image_size=null")
    model = build(plan, None)
    assert len(model.constant.pieces) == 1
    again = build(plan, joined(list(model.backbone_states().values()), plan))
    assert again.backbone_name == model.backbone_name


def test_a_model_is_built_again_from_the_states_that_came(plan_of: PlanOf) -> None:
    model = two(plan_of)
    plan = plan_of(TWO, "features=taps", "data.image_size=null", "seed=7")
    again = build(plan, joined(list(model.backbone_states().values()), plan))
    assert again.backbone_name == model.backbone_name

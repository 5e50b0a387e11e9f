"""Several frozen networks side by side: each takes the shared images at its own size, normalised as it declares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.read import read
from fedgraft.common.features.stages import find_stages
from fedgraft.common.features.taps import Taps
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.kinds.several import Member, Several, whole_spec
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
EFFICIENT = "{name: test_efficientnet, size: 32, pretrained: false}"
VIT = "{name: test_vit, size: 64, pretrained: false}"
HALF = ImageSpec(1, 4, (0.5,), (0.25,), "bilinear")


class Sum(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).sum(1, keepdim=True)


def of(plan_of: PlanOf, *more: str, networks: tuple[str, ...] = (EFFICIENT, VIT)) -> Model:
    plan = plan_of(f"features.networks=[{', '.join(networks)}]", "data.image_size=null", *more)
    return build(plan, None)


def resized(images: Tensor, side: int) -> Tensor:
    """By Pillow, channel by channel in float."""
    planes = [
        np.asarray(Image.fromarray(plane.numpy(), mode=None).resize((side, side), Image.Resampling.BICUBIC))
        for plane in images.flatten(0, 1)
    ]
    return torch.from_numpy(np.stack(planes)).unflatten(0, images.shape[:2])


@pytest.mark.parametrize("features", ["last", "taps"])
def test_features_are_those_of_each_network_side_by_side(plan_of: PlanOf, features: str) -> None:
    """Resized by Pillow, normalised by hand, and read from timm's networks themselves."""
    model = of(plan_of, f"features={features}", "features.scale=none")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        found = model.network.features(images)
    several, by_hand = model.network.backbone, []
    assert isinstance(several, Several) and model.spec.shape == (3, 64, 64)
    for side, member in zip((32, 64), several.members, strict=True):
        assert isinstance(member, Member)
        mean, std = (torch.tensor(one)[:, None, None] for one in (member.spec.mean, member.spec.std))
        inputs = ((images if side == 64 else resized(images, side)) - mean) / std
        with torch.no_grad():
            if features == "last":
                by_hand.append(member.backbone(inputs))
            else:
                taps = Taps("blocks", ["mean", "deviation"]).reading(member.backbone, find_stages(member.backbone))
                by_hand.append(read(member.backbone, taps, inputs))
    torch.testing.assert_close(found, torch.cat(by_hand, 1), rtol=1e-4, atol=1e-4)
    assert model.width == found.shape[1]


def test_what_is_smaller_is_resized_and_what_is_as_large_is_not() -> None:
    images = torch.full((1, 1, 8, 8), 0.75)
    member = Member(Sum(), HALF, None)
    assert member(images).item() == pytest.approx(16.0)  # 4 x 4 numbers of (0.75 - 0.5) / 0.25
    assert member(torch.full((1, 1, 4, 4), 1.0)).item() == pytest.approx(32.0)


def test_the_input_that_all_share_is_the_largest_and_not_normalised() -> None:
    large = ImageSpec(1, 9, (0.1,), (0.2,), "bicubic")
    assert whole_spec([HALF, large]) == ImageSpec(1, 9, (0.0,), (1.0,), "bicubic")


def test_what_has_no_mode_of_torchs_is_resized_bilinearly() -> None:
    images = torch.rand(1, 1, 8, 8)
    odd = Member(Sum(), ImageSpec(1, 4, (0.0,), (1.0,), "lanczos"), None)
    assert odd(images).item() == pytest.approx(
        Member(Sum(), ImageSpec(1, 4, (0.0,), (1.0,), "bilinear"), None)(images).item()
    )


def test_the_groups_are_those_of_each_network_and_stage(plan_of: PlanOf) -> None:
    """So that scale=case scales each stage of each network by itself."""
    taps = of(plan_of, "features=taps", "features.scale=case", "features.stages=[blocks.0,blocks.1]")
    several = taps.network.backbone
    assert isinstance(several, Several)
    assert [(one.name, one.width) for one in several.groups()] == [
        ("members.0.blocks.0", 32),
        ("members.0.blocks.1", 48),
        ("members.1.blocks.0", 192),
        ("members.1.blocks.1", 192),
    ]
    assert taps.network.scale.widths == (32, 48, 192, 192)
    last = of(plan_of, "features.scale=case")
    assert last.network.scale.widths == (256, 64)
    early = of(plan_of, "features=taps", "features.scale=early", "features.stages=[blocks.0,blocks.1]")
    assert early.network.scale.late.nonzero().flatten().tolist() == [*range(32, 80), *range(272, 464)]


def test_nothing_of_them_is_trained(plan_of: PlanOf) -> None:
    model = of(plan_of, "features=taps")
    assert {n for n, role in model.roles.items() if role == "shared"} == {"head.weight", "head.bias"}
    assert {role for name, role in model.roles.items() if name.startswith("backbone.")} == {"frozen"}


def test_a_size_that_does_not_suit_is_named(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"a `size` in features\.networks does not suit its network; null takes"):
        of(plan_of, networks=("{name: test_maxvit, size: 40, pretrained: false}", EFFICIENT))


def test_a_stage_that_one_of_them_lacks_is_named(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"features.stages: blocks.5 is no stage; choose .*blocks.4"):
        of(plan_of, "features=taps", "features.stages=[blocks.5]")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("{size: 32}", "features.networks.0.name is missing"),
        ("{name: test_vit, size: 8}", "features.networks.0.size=8"),
        ("{name: test_vit, colour: red}", "features.networks.0.colour is not an option"),
        ("test_vit", "features.networks.0='test_vit'"),
    ],
)
def test_a_network_that_is_none(plan_of: PlanOf, network: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(f"features.networks=[{network}]", "data.image_size=null")
    assert any(words in problem for problem in caught.value.problems), caught.value.problems

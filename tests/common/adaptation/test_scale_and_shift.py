"""Scale and shift: where the layers sit, and that they act."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.scale_and_shift import ScaleAndShift
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SPEC = ImageSpec(channels=3, size=64, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
CNNS = ("test_resnet", "test_efficientnet", "test_convnext", "test_nfnet", "test_byobnet")
TOKENS = ("test_vit", "test_vit2")
CHANNELS_LAST = ("test_mambaout", "swin_tiny_patch4_window7_224")
MIXED = ("nest_tiny",)


def image(size: int = 64, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", [*CNNS, *TOKENS, "test_mambaout"])
def test_scale_and_shift_starts_as_the_identity(small: PlanOf, name: str) -> None:
    with_layers, without = build(small(name, "adaptation=ssf"), None), build(small(name), None)
    assert len(with_layers.network.adapters) > 3
    with torch.no_grad():
        adapted, plain = with_layers.network.backbone(image()), without.network.backbone(image())
    assert torch.equal(adapted, plain)


@pytest.mark.parametrize("name", [*CNNS, *TOKENS, "test_mambaout"])
def test_every_scale_and_shift_gets_a_gradient_and_acts(small: PlanOf, name: str) -> None:
    model = build(small(name, "adaptation=ssf"), None)
    features = model.network.backbone(image())
    features.square().sum().backward()
    for layer in model.network.adapters.values():
        assert float(layer.scale.grad.abs().sum()) > 0
        with torch.no_grad():
            layer.scale -= 0.1
            layer.shift += 0.1
    with torch.no_grad():
        assert not torch.allclose(model.network.backbone(image()), features.detach())


@pytest.mark.parametrize("name", [*CNNS, *TOKENS, *CHANNELS_LAST, *MIXED])
def test_a_layer_scales_channels_not_places(name: str) -> None:
    """A layer's width is that of the stage's channels, which do not depend on the size of the image."""
    assert widths(name, 96) == widths(name, 64 if name.startswith("test_") else 128)


def widths(name: str, size: int) -> dict[str, int]:
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    backbone = timm.create_model(name, num_classes=0, **({"img_size": size} if fixed else {})).eval()
    spec = ImageSpec(3, size, SPEC.mean, SPEC.std, "bicubic")
    adapted = ScaleAndShift()(backbone, find_stages(backbone), spec)
    return {layer: module.scale.numel() for layer, module in adapted.layers.items()}


@pytest.mark.parametrize("name", [*CNNS[:3], *CHANNELS_LAST, "test_vit"])
def test_the_widths_are_those_that_timm_declares(name: str) -> None:
    backbone = timm.create_model(name)
    outputs = {stage.output for stage in find_stages(timm.create_model(name, num_classes=0))}
    modules = {info["module"]: info["num_chs"] for info in backbone.feature_info}
    declared = {module.replace(".", "_"): width for module, width in modules.items() if module in outputs}
    found = widths(name, 96)
    both = set(declared) & set(found)
    assert len(both) >= 3
    assert {layer: found[layer] for layer in both} == {layer: declared[layer] for layer in both}


def test_scale_and_shift_by_hand() -> None:
    network = nn.Sequential()
    network.add_module("body", nn.Identity())
    network.add_module("pool", nn.AdaptiveAvgPool2d(1))
    network.add_module("flat", nn.Flatten())
    adapted = ScaleAndShift()(network, (Stage("stem", (), "body"),), SPEC)
    layer = adapted.layers["stem"]
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.shift.copy_(torch.tensor([0.0, 10.0, -1.0]))
        given = network(torch.ones(1, 3, 5, 7))
    # 1*1+0, 2*1+10, 3*1-1
    assert given.tolist() == [[1.0, 12.0, 2.0]]


def test_scale_and_shift_without_a_stage_is_an_error() -> None:
    with pytest.raises(PlanError, match="adaptation=ssf can't follow stage stem"):
        ScaleAndShift()(nn.Conv2d(3, 4, 1), (Stage("stem", ("weight",), None),), SPEC)


def test_scale_and_shift_is_shared_and_the_backbone_frozen(small: PlanOf) -> None:
    model = build(small("test_resnet", "adaptation=ssf"), None)
    names = [name for name in model.roles if name.startswith("adapters.")]
    assert len(names) == 2 * len(model.stages)
    assert {model.roles[name] for name in names} == {"shared"}
    assert {role for name, role in model.roles.items() if name.startswith("backbone.")} == {"frozen"}
    assert model.constant.what != FEATURES


def test_it_can_start_at_a_stage_and_stay_at_the_site(small: PlanOf) -> None:
    model = build(
        small("test_efficientnet", "adaptation=ssf", "adaptation.stages=blocks.2", "adaptation.role=local"), None
    )
    assert set(model.network.adapters) == {"blocks_2", "blocks_3", "blocks_4"}
    assert {model.roles[name] for name in model.roles if name.startswith("adapters.")} == {"local"}
    assert model.constant.what == "stage blocks.2"
    assert set(model.names("shared")) == {name for name in model.roles if name.startswith("head.")}
    assert model.needs_its_site

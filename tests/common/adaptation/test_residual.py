"""Residual convolutions: against a wider kernel, and on real architectures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.batch_norm import batch_norms
from fedgraft.common.adaptation.residual import ResidualConvolutions
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SPEC = ImageSpec(channels=3, size=9, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


def network(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.AdaptiveAvgPool2d(2), nn.Flatten()).requires_grad_(False).eval()


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 4, 3, padding=1, stride=2),
        nn.Conv2d(3, 6, 5, padding=2, groups=3),
        nn.Conv2d(3, 4, 3, padding=2, dilation=2),
    ],
    ids=["3x3", "stride", "groups", "dilation"],
)
def test_it_adds_to_the_centre_of_the_kernel(convolution: nn.Conv2d) -> None:
    """``f * x + a * x`` is a convolution with ``a`` added to the middle of ``f``."""
    adapted_network = network(convolution)
    (layer,) = ResidualConvolutions()(adapted_network, find_stages(adapted_network), SPEC).layers["stem"].values()
    plain = nn.Conv2d(
        3,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        convolution.dilation,  # type: ignore[arg-type]
        convolution.groups,
    )
    middle = convolution.kernel_size[0] // 2
    images = torch.randn(2, 3, 9, 9)
    with torch.no_grad():
        plain.load_state_dict(convolution.state_dict())
        assert torch.allclose(convolution(images), plain(images), atol=1e-5)
        layer.weight.normal_()
        plain.weight[:, :, middle, middle] += layer.weight[:, :, 0, 0]
        assert torch.allclose(convolution(images), plain(images), atol=1e-5)


@pytest.mark.parametrize(
    "convolution",
    [nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, stride=3), nn.Conv2d(3, 4, 3)],
    ids=["1x1", "patches", "no padding"],
)
def test_where_it_would_sit_nowhere_it_is_refused(convolution: nn.Conv2d) -> None:
    plain = network(convolution)
    with pytest.raises(PlanError, match=r"adaptation=residual has no effect: there is no convolution wider than its"):
        ResidualConvolutions()(plain, find_stages(plain), SPEC)


def test_beside_a_trained_weight_only_a_local_one_acts() -> None:
    trained = network(nn.Conv2d(3, 4, 3, padding=1)).requires_grad_(True)
    with pytest.raises(PlanError, match="only frozen ones count"):
        ResidualConvolutions()(trained, find_stages(trained), SPEC)
    adapted = ResidualConvolutions(role="local")(trained, find_stages(trained), SPEC)
    assert (len(adapted.layers), adapted.role) == (1, "local")


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_convnext", "tf_efficientnet_lite0"])
def test_it_starts_as_the_identity_and_every_layer_gets_a_gradient(small: PlanOf, name: str) -> None:
    model, plain = build(small(name, "adaptation=residual"), None), build(small(name), None)
    images: Tensor = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.network.backbone(images), plain.network.backbone(images))
    for norm in batch_norms(model.network.backbone).values():
        nn.init.ones_(
            norm.weight
        )  # timm starts the last of a residual branch at 0, behind which nothing has a gradient
    model.network.backbone(images).square().sum().backward()
    layers = [layer for group in model.network.adapters.values() for layer in group.values()]
    wide = [m for m in plain.network.backbone.modules() if isinstance(m, nn.Conv2d) and m.kernel_size > m.stride]
    assert len(layers) == len(wide) > 3
    assert all(float(layer.weight.grad.abs().sum()) > 0 for layer in layers)


def test_a_vision_transformer_has_only_a_patch_embedding(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"adaptation=residual has no effect.*or use adaptation=lora"):
        build(small("test_vit", "adaptation=residual"), None)

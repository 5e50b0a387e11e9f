"""Bottleneck adapters: by hand, and in transformer blocks of several kinds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.bottleneck import Bottlenecks
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SPEC = ImageSpec(channels=3, size=4, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
ONE = torch.tensor(1.0)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.Linear(width, width)
        self.mlp = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        summed: Tensor = x + self.mlp(x)
        return summed


def blocks() -> nn.Sequential:
    """One case becomes 3 tokens of 16 numbers; two blocks whose sublayers give 0; the mean token."""
    network = nn.Sequential(nn.Flatten(2), Block(16), Block(16)).requires_grad_(False)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    return network.append(nn.AdaptiveAvgPool2d((1, None))).append(nn.Flatten())


@pytest.mark.parametrize(("form", "names"), [("serial", ["attn", "mlp"]), ("parallel", ["mlp"])])
def test_the_formulas_by_hand(form: str, names: list[str]) -> None:
    network = blocks()
    layers = Bottlenecks(2, form, 0.5, stages="2")(network, find_stages(network), SPEC).layers  # type: ignore[arg-type]
    assert list(layers) == ["2"] and list(layers["2"]) == names
    mlp = layers["2"]["mlp"]  # type: ignore[index]
    with torch.no_grad():
        mlp.down.weight.zero_(), mlp.down.bias.copy_(torch.tensor([1.0, -1.0]))
        mlp.up.weight.copy_(torch.tensor([[2.0, 4.0]]).expand(16, 2)), mlp.up.bias.fill_(1.0)
        given = network(torch.zeros(1, 3, 4, 4))
    if form == "serial":  # 0.5 * (2 gelu(1) + 4 gelu(-1) + 1)
        expected = 0.5 * (2 * functional.gelu(ONE) + 4 * functional.gelu(-ONE) + 1)
    else:  # 0.5 * (2 relu(1) + 4 relu(-1) + 1)
        expected = torch.tensor(1.5)
    assert torch.allclose(given, expected.expand(1, 16))


@pytest.mark.parametrize("adaptation", ["bottleneck", "adaptformer"])
@pytest.mark.parametrize("name", ["test_vit", "test_vit2", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_it_starts_as_the_identity_and_every_layer_gets_a_gradient(small: PlanOf, name: str, adaptation: str) -> None:
    size = () if name.startswith("test_") else ("data.image_size=224",)
    model, plain = (build(small(name, *size, more), None) for more in (f"adaptation={adaptation}", "adaptation=none"))
    images = torch.randn(1, *model.spec.shape, generator=torch.Generator().manual_seed(0))
    features = model.network.backbone(images)
    assert torch.equal(features, plain.network.backbone(images))
    features.square().sum().backward()
    layers = [layer for group in model.network.adapters.values() for layer in group.values()]
    names = ("attn", "mlp") if adaptation == "bottleneck" else ("mlp",)
    sublayers = [path for path, _ in plain.network.backbone.named_modules() if path.split(".")[-1] in names]
    assert len(layers) == len(sublayers) > 5
    assert all(float(layer.up.weight.grad.abs().sum()) > 0 for layer in layers)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_convnext"])
def test_without_a_transformer_block_it_is_refused(small: PlanOf, name: str) -> None:
    with pytest.raises(PlanError, match="bottleneck adapters have no effect, there is no transformer block"):
        build(small(name, "adaptation=bottleneck"), None)


def test_its_form_is_checked(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"adaptation\.form='sideways': input should be 'serial' or 'parallel'"):
        build(small("test_vit", "adaptation=bottleneck", "adaptation.form=sideways"), None)


def test_it_can_stay_at_the_site(small: PlanOf) -> None:
    model = build(small("test_vit", "adaptation=bottleneck", "adaptation.role=local"), None)
    assert {model.roles[name] for name in model.roles if name.startswith("adapters.")} == {"local"}

"""LoRA: against the formula, against peft, and on real architectures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.batch_norm import batch_norms
from fedgraft.common.adaptation.lora import Lora
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tensors import digest

PlanOf = Callable[..., Plan]
SPEC = ImageSpec(channels=3, size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


class Body(nn.Module):
    """A 1x1 convolution with stride, a wide one, a grouped 1x1 one, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Conv2d(3, 6, 1, stride=2)
        self.wide = nn.Conv2d(6, 6, 3, padding=1)
        self.grouped = nn.Conv2d(6, 6, 1, groups=2)
        self.linear = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.wide(self.point(x)).relu()).mean((2, 3))
        features: Tensor = self.linear(x)
        return features


def body() -> Body:
    torch.manual_seed(0)
    return Body().requires_grad_(False).eval()


def cases(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_it_sits_beside_linear_layers_and_1x1_convolutions_only() -> None:
    network = body()
    adapted = Lora(2, 4.0)(network, find_stages(network), SPEC)
    assert {name: tuple(t.shape) for name, t in adapted.layers.state_dict().items()} == {
        "stem.point.a": (2, 3),
        "stem.point.b": (6, 2),
        "linear.linear.a": (2, 6),
        "linear.linear.b": (5, 2),
    }


def test_the_formula_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).requires_grad_(False)
    adapted = Lora(1, 3.0)(network, find_stages(network), SPEC)
    (layer,) = adapted.layers["stem"].values()
    with torch.no_grad():
        network[1].weight.zero_(), network[1].bias.fill_(0.5)
        layer.a.fill_(0.0), layer.a[0, :2].fill_(1.0)
        layer.b.copy_(torch.tensor([[1.0], [2.0]]))
        image = torch.zeros(1, 3, 8, 8)
        image[0, 0, 0, :3] = torch.tensor([4.0, 3.0, 100.0])
        # 0.5 + 3 / 1 * (1, 2) * (4 + 3)
        assert network(image).tolist() == [[21.5, 42.5]]


def test_it_starts_as_the_identity_and_the_names_of_the_backbone_stay() -> None:
    plain, network = body(), body()
    Lora(2, 4.0)(network, find_stages(network), SPEC)
    assert torch.equal(plain(cases()), network(cases()))
    assert digest(plain.state_dict()) == digest(network.state_dict())


def test_it_trains_as_peft_does() -> None:
    peft = pytest.importorskip("peft")
    network, other = body(), body()
    adapted = Lora(2, 4.0)(network, find_stages(network), SPEC)
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["point", "linear"], lora_dropout=0.0)
    theirs = peft.get_peft_model(other, config)
    pairs = []
    for (stage, path), name in {("stem", "point"): "point", ("linear", "linear"): "linear"}.items():
        layer, module = adapted.layers[stage][path], getattr(theirs.base_model.model, name)  # type: ignore[index]
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        with torch.no_grad():
            a.copy_(layer.a.reshape(a.shape))
        pairs += [(layer.a, a), (layer.b, b)]
    for parameters, model in (([p for p, _ in pairs], network), ([p for _, p in pairs], theirs)):
        optimizer = torch.optim.SGD(parameters, 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            model(cases()).square().mean().backward()
            optimizer.step()
    for own, their in pairs:
        assert float(own.detach().abs().sum()) > 0
        assert torch.allclose(own, their.reshape(own.shape), atol=1e-6)
    assert torch.allclose(network(cases()), theirs(cases()), atol=1e-6)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "test_convnext", "test_mambaout"])
def test_every_layer_gets_a_gradient_and_the_backbone_none(small: PlanOf, name: str) -> None:
    model = build(small(name, "adaptation=lora"), None)
    layers = [layer for group in model.network.adapters.values() for layer in group.values()]
    assert layers
    for norm in batch_norms(model.network.backbone).values():
        nn.init.ones_(
            norm.weight
        )  # timm starts the last of a residual branch at 0, behind which nothing has a gradient
    model.network.backbone(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(float(layer.b.grad.abs().sum()) > 0 for layer in layers)
    assert all(parameter.grad is None for parameter in model.network.backbone.parameters())


def test_in_a_transformer_it_sits_at_four_places_of_each_block(small: PlanOf) -> None:
    model = build(small("test_vit", "adaptation=lora"), None)
    assert list(model.network.adapters) == [f"blocks_{n}" for n in range(6)]
    assert list(model.network.adapters["blocks_0"]) == ["attn_qkv", "attn_proj", "mlp_fc1", "mlp_fc2"]


def test_the_rank_is_at_most_what_a_layer_has() -> None:
    network = body()
    adapted = Lora(64, 64.0)(network, find_stages(network), SPEC)
    assert adapted.layers["stem"]["point"].a.shape == (3, 3)  # type: ignore[index]
    assert adapted.layers["linear"]["linear"].a.shape == (5, 6)  # type: ignore[index]


def test_shared_layers_sit_beside_frozen_weights_only_local_ones_beside_any(small: PlanOf) -> None:
    shared = build(small("test_vit", "adaptation=lora", "backbone.freeze=blocks.2"), None)
    assert list(shared.network.adapters) == ["blocks_0", "blocks_1", "blocks_2"]
    local = build(small("test_vit", "adaptation=lora", "backbone.freeze=blocks.2", "adaptation.role=local"), None)
    assert list(local.network.adapters) == [f"blocks_{n}" for n in range(6)]
    assert {local.roles[name] for name in local.roles if name.startswith("adapters.")} == {"local"}


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("test_vit", ("backbone.freeze=none",)),
        ("test_vit", ("backbone.freeze=blocks.4", "adaptation.stages=blocks.5")),
        ("test_resnet", ("backbone.freeze=layer3", "adaptation.stages=layer4")),
    ],
)
def test_it_is_refused_where_it_would_sit_nowhere(small: PlanOf, name: str, overrides: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match=r"adaptation=lora has no effect: there is no linear layer or 1x1 convolution"):
        build(small(name, "adaptation=lora", *overrides), None)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("adaptation.rank=0", r"adaptation\.rank=0: input should be greater than or equal to 1"),
        ("adaptation.alpha=0.0", r"adaptation\.alpha=0\.0: input should be greater than 0"),
        ("adaptation.role=frozen", r"adaptation\.role='frozen': input should be 'shared' or 'local'"),
    ],
)
def test_its_options_are_checked(small: PlanOf, override: str, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        build(small("test_vit", "adaptation=lora", override), None)


def test_a_site_draws_what_the_coordinator_drew(small: PlanOf) -> None:
    plan = small("test_vit", "adaptation=lora", "adaptation.role=local")
    own = build(plan, None)
    again = build(plan, own.backbone_state())
    assert all(torch.equal(own.state[name], again.state[name]) for name in own.state)

"""Which modules a layer may act on, and where what is constant ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.insertion import find_places, named, put_after, put_beside, stage_of_layer, stages_from
from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
STAGES = (Stage("stem", (), None), Stage("blocks.0", (), None), Stage("blocks.1", (), None))
SPEC = ImageSpec(channels=3, size=8, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")


def test_stages_from_one_on() -> None:
    assert stages_from(STAGES, "all") == STAGES
    assert stages_from(STAGES, "blocks.0") == STAGES[1:]
    with pytest.raises(
        PlanError,
        match=r"adaptation\.stages=blocks\.7 is not a stage; choose all or one of: stem, blocks\.0, blocks\.1",
    ):
        stages_from(STAGES, "blocks.7")


class Hidden(nn.Module):
    """`nn.MultiheadAttention` uses the weight of its ``out_proj`` without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(192, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x.flatten(1))[:, None]
        mixed: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return mixed[:, 0]


def test_a_module_that_is_never_called_is_no_place() -> None:
    network = Hidden()
    found = find_places(network, find_stages(network), SPEC, lambda path, module: isinstance(module, nn.Linear))
    assert [(place.path, place.input_shape, place.output_shape) for place in found] == [("embed", (1, 192), (1, 16))]


def test_a_module_that_gives_a_tuple_is_no_place() -> None:
    network = Hidden()
    assert find_places(network, find_stages(network), SPEC, lambda path, module: path == "attention") == []


def test_names_are_the_stage_s_then_the_module_s() -> None:
    network = nn.Sequential()
    network.add_module("blocks", nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)) for _ in range(2)]))
    network.forward = lambda x: network.blocks[1](network.blocks[0](x.mean((2, 3))[:, :2]))  # type: ignore[method-assign]
    stages = (Stage("stem", (), "blocks.0", ("blocks.0",)), Stage("blocks.1", (), "blocks.1", ("blocks.1",)))
    found = find_places(network, stages, SPEC, lambda path, module: isinstance(module, nn.Linear))
    layers = named((place, nn.Linear(1, 1, bias=False)) for place in found)
    assert list(layers.state_dict()) == [
        "stem.blocks_0_0.weight",
        "stem.blocks_0_1.weight",
        "blocks_1.0.weight",
        "blocks_1.1.weight",
    ]


def test_after_and_beside_by_hand() -> None:
    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    class AddOne(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1

    after, beside = Double(), Double()
    put_after(after, AddOne())
    put_beside(beside, AddOne())
    x = torch.tensor([3.0])
    assert after(x).item() == 7.0  # 2 * 3 + 1
    assert beside(x).item() == 10.0  # 2 * 3 + (3 + 1)


@pytest.mark.parametrize(
    ("name", "adaptation", "first", "kept"),
    [
        ("test_efficientnet", "lora", "blocks.3", "stage blocks.2"),
        ("test_efficientnet", "lora", "all", "stage blocks.0"),
        ("test_efficientnet", "residual", "blocks.2", "stage blocks.1"),
        ("test_resnet", "residual", "layer3", "stage layer2"),
        ("test_vit", "lora", "blocks.4", "stage blocks.3"),
        ("test_vit", "lora", "all", "stage stem"),
        ("test_vit", "bottleneck", "blocks.2", "stage blocks.1"),
        ("test_vit", "adaptformer", "blocks.5", "stage blocks.4"),
        ("test_vit", "ssf", "blocks.2", "stage blocks.2"),
    ],
)
def test_what_is_constant_ends_before_the_first_layer(
    small: PlanOf, name: str, adaptation: str, first: str, kept: str
) -> None:
    model = build(small(name, f"adaptation={adaptation}", f"adaptation.stages={first}"), None)
    assert model.constant.what == kept
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in [*model.network.adapters.parameters(), *model.network.head.parameters()]:
            parameter.add_(0.1 * torch.rand_like(parameter))
        whole = model.network(images)
        assert torch.allclose(whole, model.constant.trained(model.constant.compute(images).clone()), atol=1e-4)
    assert float(whole.abs().sum()) > 0


def test_a_layer_s_tensor_names_its_stage(small: PlanOf) -> None:
    model = build(small("test_vit", "adaptation=bottleneck"), None)
    layers = [name for name in model.roles if name.startswith("adapters.")]
    found = {stage_of_layer(name, model.stages) for name in layers}
    assert [stage for stage in model.stages if stage in found] == list(model.stages[1:])
    assert stage_of_layer("adapters.blocks_3.mlp.up.bias", model.stages) == model.stages[4]
    assert stage_of_layer("backbone.blocks.3.mlp.fc1.bias", model.stages) is None

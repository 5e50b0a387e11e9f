"""Stages of timm networks of several families: complete, in order, and what `freeze` makes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.stages import find_stages, frozen_tensors
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
FAMILIES = {
    "test_resnet": 64,
    "test_vit": 64,
    "test_efficientnet": 64,
    "test_convnext": 64,
    "test_nfnet": 64,
    "test_byobnet": 64,
    "test_mambaout": 64,
    "test_maxvit": 64,
    "tf_efficientnet_lite0": 64,
    "mobilenetv4_conv_small": 64,
    "regnetx_002": 64,
    "efficientvit_b0": 64,
    "repvgg_a0": 64,
    "mobilevit_xxs": 64,
}
HAND_MADE = (
    Stage("stem", ("conv1.weight", "bn1.weight"), "bn1"),
    Stage("layer1", ("layer1.0.weight",), "layer1"),
    Stage("layer10", ("layer10.0.weight",), "layer10"),
)


def network(name: str) -> nn.Module:
    size = FAMILIES[name]
    fixed = timm.get_pretrained_cfg(name).fixed_input_size
    return timm.create_model(name, num_classes=0, **({"img_size": size} if fixed else {})).eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_tensor_is_in_exactly_one_stage(name: str) -> None:
    backbone = network(name)
    held = [tensor for stage in find_stages(backbone) for tensor in stage.tensors]
    assert sorted(held) == sorted(backbone.state_dict())


@pytest.mark.parametrize("name", FAMILIES)
def test_names_are_distinct_and_begin_with_the_stem(name: str) -> None:
    names = [stage.name for stage in find_stages(network(name))]
    assert names[0] == "stem"
    assert len(set(names)) == len(names) > 3
    assert not {"all", "none"} & set(names)


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_run_in_their_order(name: str) -> None:
    backbone = network(name)
    expected = [stage.output for stage in find_stages(backbone) if stage.output is not None]
    ran: list[str] = []
    for path in expected:
        backbone.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.append(path))
    with torch.no_grad():
        backbone(torch.zeros(1, 3, FAMILIES[name], FAMILIES[name]))
    assert ran == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_a_frozen_stage_depends_on_no_later_one(name: str) -> None:
    """Whatever is changed after a stage, its output stays."""
    backbone = network(name)
    stages = find_stages(backbone)
    middle = len(stages) // 2
    path = stages[middle].output
    assert path is not None
    outputs: list[torch.Tensor] = []
    backbone.get_submodule(path).register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    image = torch.randn(1, 3, FAMILIES[name], FAMILIES[name], generator=torch.Generator().manual_seed(0))
    state = backbone.state_dict()
    with torch.no_grad():
        before = backbone(image)
        for stage in stages[middle + 1 :]:
            for tensor in stage.tensors:
                state[tensor].add_(1)
        after = backbone(image)
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(before, after)


def test_names_of_a_resnet() -> None:
    stages = find_stages(timm.create_model("resnet18", num_classes=0))
    assert [stage.name for stage in stages] == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert stages[0].tensors[0] == "conv1.weight"
    assert all(tensor.startswith("layer3.") for tensor in stages[3].tensors)
    assert stages[4].output == "layer4"


def test_names_of_the_default_backbone() -> None:
    names = [stage.name for stage in find_stages(network("tf_efficientnet_lite0"))]
    assert "blocks.4" in names  # as conf/backbone/tf_efficientnet_lite0.yaml says
    assert names[1:7] == [f"blocks.{n}" for n in range(6)]


def test_freeze_all_none_and_up_to_a_stage() -> None:
    everything = {tensor for stage in HAND_MADE for tensor in stage.tensors}
    assert frozen_tensors(HAND_MADE, "all") == everything
    assert frozen_tensors(HAND_MADE, "none") == frozenset()
    assert frozen_tensors(HAND_MADE, "stem") == {"conv1.weight", "bn1.weight"}
    assert frozen_tensors(HAND_MADE, "layer1") == {"conv1.weight", "bn1.weight", "layer1.0.weight"}
    assert frozen_tensors(HAND_MADE, "layer10") == everything


@pytest.mark.parametrize("freeze", ["layer", "layer2", "Layer1", "", "layer1.0"])
def test_an_unknown_stage_lists_the_stages(freeze: str) -> None:
    with pytest.raises(PlanError) as caught:
        frozen_tensors(HAND_MADE, freeze)
    assert f"backbone.freeze={freeze} is not a stage" in str(caught.value)
    assert "choose all, none or one of: stem, layer1, layer10" in str(caught.value)


@pytest.mark.parametrize("name", ["poolformer_s12", "rdnet_tiny"])
def test_a_network_that_timm_does_not_group_is_grouped_by_its_modules(name: str) -> None:
    backbone = timm.create_model(name, num_classes=0)
    stages = find_stages(backbone)
    assert sorted(tensor for stage in stages for tensor in stage.tensors) == sorted(backbone.state_dict())
    names = [stage.name for stage in stages]
    assert names[0] == "stem" and len(set(names)) == len(names) > 3

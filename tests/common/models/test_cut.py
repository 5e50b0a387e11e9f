"""Starting a network at its cut is the same as starting it at the image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from fedgraft.common.features.stages import find_stages
from fedgraft.common.models.build import build
from fedgraft.common.models.cut import find_cut
from fedgraft.common.models.frozen_part import INPUTS, Tail
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
CUTS = {
    "test_efficientnet": ("blocks.2", "blocks.1"),
    "test_resnet": ("layer2", "stem"),
    "test_vit": ("blocks.3", "stem"),
    "test_convnext": ("stages.1", "stem"),
    "tf_efficientnet_lite0": ("blocks.4", "blocks.0"),
    "regnetx_002": ("s2", "s1"),
    "mobilevit_xxs": ("stages.2", "stages.1"),
    "poolformer_s12": ("stages.1", "stem"),
}


@pytest.mark.parametrize("name", CUTS)
def test_logits_and_gradients_from_the_cut_equal_those_from_the_image(small: PlanOf, name: str) -> None:
    freeze, _ = CUTS[name]
    model = build(small(name, f"backbone.freeze={freeze}", "head=cosine"), None)
    assert model.constant.what == f"stage {freeze}"
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    tail = model.constant.trained
    assert isinstance(tail, Tail)
    model.network.train()
    whole = model.network(images)
    (expected,) = torch.autograd.grad(whole.square().sum(), [model.network.head.weight])
    model.network.eval()
    kept = model.constant.compute(images).clone()
    assert tuple(kept.shape[1:]) == model.constant.shape
    tail.train()
    again = tail(kept)
    (found,) = torch.autograd.grad(again.square().sum(), [model.network.head.weight])
    assert torch.allclose(whole, again, rtol=1e-4, atol=1e-5)
    assert torch.allclose(expected, found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CUTS)
def test_every_trained_parameter_gets_a_gradient_through_the_tail(small: PlanOf, name: str) -> None:
    model = build(small(name, f"backbone.freeze={CUTS[name][0]}", "head=cosine"), None)
    tail = model.constant.trained
    tail.train()
    names = [parameter for parameter, _ in tail.named_parameters()]
    assert names == [parameter for parameter, _ in model.network.named_parameters()]
    tail(model.constant.compute(torch.randn(2, 3, 64, 64)).clone()).square().sum().backward()
    trained = {name for name, p in tail.named_parameters() if p.requires_grad}
    assert {name for name, p in tail.named_parameters() if p.grad is not None} == trained


@pytest.mark.parametrize("adaptation", ["fedbn", "silobn"])
def test_with_batch_norm_that_learns_from_the_first_stage_on_nothing_but_the_image_is_kept(
    small: PlanOf, adaptation: str
) -> None:
    model = build(small("test_efficientnet", f"adaptation={adaptation}"), None)
    assert (model.constant.what, model.constant.shape) == (INPUTS, (3, 64, 64))


def test_a_cut_lies_before_the_first_adaptation_layer(small: PlanOf) -> None:
    """test_vit: 16 tokens of 64 numbers behind the stem are fewer than 3 x 64 x 64; layers follow every stage."""
    model = build(small("test_vit", "adaptation=ssf", "head=cosine"), None)
    assert model.constant.what == "stage stem"
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for parameter in model.network.adapters.parameters():
            parameter.add_(torch.rand_like(parameter))
        assert torch.allclose(
            model.network(images), model.constant.trained(model.constant.compute(images).clone()), atol=1e-4
        )


def test_what_is_larger_than_the_image_is_not_kept(small: PlanOf) -> None:
    model = build(small("tf_efficientnet_lite0", "backbone.freeze=stem"), None)
    assert model.constant.what == INPUTS


def test_keeping_can_be_switched_off(small: PlanOf) -> None:
    model = build(small("test_resnet", "engine.keep=false"), None)
    assert model.constant.what == INPUTS
    assert model.constant.trained is model.network


class TableEncoder(nn.Module):
    """Rows of a table to features: a residual network over columns."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(columns, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in range(4))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(rows))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return x


def test_an_encoder_of_tables_is_cut_where_its_running_sum_allows_it() -> None:
    """Behind the first layer everything follows from its output; behind a block the sum before it is needed too."""
    torch.manual_seed(0)
    encoder = TableEncoder(30, 16).eval()
    stages = find_stages(encoder)
    assert [stage.name for stage in stages] == ["stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3"]
    cut = find_cut(encoder, stages, (30,), lambda stage: stage.name == "stem", set())
    assert cut is not None and (cut.stage, cut.shape) == ("stem", (16,))
    rows = torch.randn(5, 30)
    assert torch.allclose(cut.replay(encoder, cut.keep(encoder, rows).clone()), encoder(rows), atol=1e-6)
    deeper = find_cut(encoder, stages, (30,), lambda stage: stage.name in ("stem", "blocks.0"), set())
    assert deeper is not None and deeper.stage == "stem"


def test_an_encoder_of_tables_in_sequence_is_cut_at_any_layer() -> None:
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.Linear(20 if n == 0 else 8, 8), nn.ReLU()) for n in range(4)]
    encoder = nn.Sequential(*layers).eval()
    stages = find_stages(encoder)
    cut = find_cut(encoder, stages, (20,), lambda stage: stage.name in ("stem", "1", "2"), set())
    assert cut is not None and cut.stage == "2"
    rows = torch.randn(5, 20)
    assert torch.allclose(cut.replay(encoder, cut.keep(encoder, rows).clone()), encoder(rows), atol=1e-6)

"""The model: frozen batch norm, channels, sizes, seeds, and how state is put in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
from torch import nn

from fedgraft.common.adaptation.batch_norm import batch_norms
from fedgraft.common.errors import BackboneError, PlanError
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]


def images(channels: int = 3, count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def train_a_step(model: Model, batch: torch.Tensor) -> None:
    parameters = [p for p in model.network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, 0.1)
    model.network.train()
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.network(batch), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
    model.network.eval()


def changed(model: Model, before: dict[str, torch.Tensor]) -> set[str]:
    after = model.network.state_dict()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


@pytest.mark.parametrize("freeze", ["all", "layer2", "none"])
def test_frozen_batch_norm_stays_in_eval_and_its_statistics_do_not_move(small: PlanOf, freeze: str) -> None:
    model = build(small("test_resnet", f"backbone.freeze={freeze}"), None)
    before = model.tensors(model.roles)
    model.network.train()
    assert model.network.training
    assert not any(norm.training for norm in batch_norms(model.network.backbone).values())
    train_a_step(model, images())
    assert not any("running_" in name or "num_batches" in name for name in changed(model, before))


@pytest.mark.parametrize("adaptation", ["none", "fedbn", "silobn", "ssf"])
@pytest.mark.parametrize("freeze", ["all", "layer3"])
def test_training_changes_all_that_is_not_frozen_and_nothing_else(small: PlanOf, adaptation: str, freeze: str) -> None:
    model = build(small("test_resnet", f"adaptation={adaptation}", f"backbone.freeze={freeze}"), None)
    with torch.no_grad():  # a head of zeros gives the layers before it no gradient at the first step
        model.network.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    before = model.tensors(model.roles)
    train_a_step(model, images())
    assert changed(model, before) == set(model.names("shared")) | set(model.names("local"))


def test_free_batch_norm_in_train_mode_moves_the_free_stage_s_statistics_only(small: PlanOf) -> None:
    model = build(small("test_resnet", "backbone.freeze=layer3", "backbone.batch_norm=train"), None)
    before = model.tensors(model.roles)
    train_a_step(model, images())
    moved = {name for name in changed(model, before) if "running_" in name}
    assert moved
    assert all(name.startswith("backbone.layer4.") for name in moved)


@pytest.mark.parametrize("freeze", ["blocks.2", "none"])
def test_batch_norm_in_train_mode_without_batch_norm_has_no_effect_and_is_an_error(small: PlanOf, freeze: str) -> None:
    with pytest.raises(PlanError, match=r"backbone\.batch_norm=train"):
        build(small("test_vit", f"backbone.freeze={freeze}", "backbone.batch_norm=train"), None)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_one_or_three_channels(small: PlanOf, name: str, channels: int) -> None:
    model = build(small(name, f"backbone.channels={channels}"), None)
    assert model.network(images(channels)).shape == (4, 2)
    assert model.spec.channels == len(model.spec.mean) == len(model.spec.std) == channels


def test_what_the_backbone_expects_comes_from_timm(small: PlanOf) -> None:
    model = build(small("test_efficientnet", "data.image_size=null"), None)
    declared = timm.get_pretrained_cfg("test_efficientnet")
    assert (model.spec.mean, model.spec.std) == (declared.mean, declared.std)
    assert (model.spec.size, model.spec.interpolation) == (declared.input_size[-1], declared.interpolation)


def test_one_channel_takes_the_mean_of_three(small: PlanOf) -> None:
    model = build(small("test_efficientnet", "backbone.channels=1"), None)
    assert model.spec.mean == pytest.approx(((0.485 + 0.456 + 0.406) / 3,))
    assert model.spec.std == pytest.approx(((0.229 + 0.224 + 0.225) / 3,))


@pytest.mark.parametrize(("name", "size"), [("test_resnet", 50), ("test_vit", 96), ("test_efficientnet", 160)])
def test_another_image_size(small: PlanOf, name: str, size: int) -> None:
    model = build(small(name, f"data.image_size={size}"), None)
    assert model.spec.size == size
    features = model.network.backbone(images(size=size))
    assert features.shape == (4, model.width)


def test_an_image_size_that_does_not_suit_is_named(small: PlanOf) -> None:
    with pytest.raises(
        PlanError, match=r"data\.image_size=100 does not suit the backbone; null takes the model's own: ."
    ):
        build(small("test_vit", "data.image_size=100"), None)


def test_the_head_has_one_logit_per_class(small: PlanOf) -> None:
    model = build(small("test_resnet", "data.classes=[a,b,c]"), None)
    assert model.network(images()).shape == (4, 3)


def test_equal_seeds_give_equal_weights_and_others_give_others(small: PlanOf) -> None:
    first, again, other = (build(small("test_resnet", f"seed={seed}"), None).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_building_leaves_the_random_generator_alone(small: PlanOf) -> None:
    before = torch.random.get_rng_state()
    build(small("test_resnet", "head=cosine"), None)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("adaptation", ["none", "silobn", "ssf"])
def test_a_site_builds_what_the_coordinator_built(small: PlanOf, adaptation: str) -> None:
    plan = small("test_resnet", f"adaptation={adaptation}", "head=cosine")
    ours = build(plan, None)
    theirs = build(plan, ours.backbone_state())
    assert theirs.roles == ours.roles
    state = theirs.network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.network.state_dict().items())


def test_the_distributed_backbone_wins_over_the_plan_s_weights(plan_of: PlanOf) -> None:
    plan = plan_of("backbone.name=test_resnet", "backbone.weights=/nowhere.safetensors", "data.image_size=64")
    random = plan_of("backbone.name=test_resnet", "backbone.pretrained=false", "data.image_size=64")
    state = build(random, None).backbone_state()
    assert torch.equal(build(plan, state).backbone_state()["conv1.0.weight"], state["conv1.0.weight"])


def test_a_distributed_backbone_that_does_not_fit_is_an_error(small: PlanOf) -> None:
    state = build(small("test_resnet"), None).backbone_state()
    lacking = dict(list(state.items())[1:])
    for wrong in (lacking, state | {"extra": torch.zeros(1)}, build(small("test_vit"), None).backbone_state()):
        with pytest.raises(BackboneError, match=r"distributed backbone does not fit the plan's backbone\.name"):
            build(small("test_resnet"), wrong)


def test_tensors_are_copies_and_load_puts_them_back(small: PlanOf) -> None:
    model = build(small("test_resnet"), None)
    taken = model.tensors(["head.weight"])
    taken["head.weight"] += 1
    assert float(model.network.head.weight.detach().abs().sum()) == 0
    model.load(taken)
    assert torch.equal(model.network.head.weight, torch.ones(2, 96))


@pytest.mark.parametrize("tensors", [{"head.wait": torch.zeros(1)}, {"head.weight": torch.zeros(3, 3)}])
def test_a_tensor_that_does_not_fit_is_named(small: PlanOf, tensors: dict[str, torch.Tensor]) -> None:
    with pytest.raises(BackboneError, match=r"tensor head\.\w+ with shape \(.*\) does not fit the model"):
        build(small("test_resnet"), None).load(tensors)


@pytest.mark.parametrize(
    ("overrides", "constant"),
    [
        ((), True),
        (("backbone.freeze=layer3",), False),
        (("adaptation=ssf",), False),
        (("adaptation=fedbn",), False),
    ],
)
def test_features_are_kept_only_if_nothing_before_the_head_can_change(
    small: PlanOf, overrides: tuple[str, ...], constant: bool
) -> None:
    assert (build(small("test_resnet", *overrides), None).constant.what == FEATURES) is constant


def test_mixed_precision_where_nothing_is_constant_is_refused(small: PlanOf) -> None:
    with pytest.raises(
        PlanError, match=r"backbone.precision=mixed has no effect: no part .* is constant; set it to auto"
    ):
        build(small("test_resnet", "backbone.freeze=none", "backbone.precision=mixed"), None)
    build(small("test_resnet", "backbone.precision=mixed"), None)

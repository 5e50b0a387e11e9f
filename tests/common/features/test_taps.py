"""Features from every depth equal what hooks written by hand read of timm's own networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.read import groups, read
from fedgraft.common.features.stages import find_stages
from fedgraft.common.features.taps import Taps
from fedgraft.common.interfaces.features import Group, Reading, ReadsBackbone
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
BOTH = ["mean", "deviation"]


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    found: nn.Module = timm.create_model(name, num_classes=0).eval()
    return found


def reading(of: nn.Module, stages: str | list[str] = "blocks", statistics: list[str] | None = None) -> Reading:
    return Taps(stages, statistics or BOTH).reading(of, find_stages(of))


def seen(of: nn.Module, paths: tuple[str, ...], images: Tensor) -> list[Tensor]:
    """The outputs of modules by hooks of torch's own."""
    found: dict[str, Tensor] = {}
    for path in paths:
        of.get_submodule(path).register_forward_hook(lambda m, i, o, path=path: found.update({path: o.clone()}))
    with torch.no_grad():
        of(images)
    return [found[path] for path in paths]


def test_of_a_cnn() -> None:
    found, images = network("test_efficientnet"), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = read(found, reading(found, statistics=[*BOTH, "maximum", "quadrants"]), images)
    maps = seen(found, tuple(f"blocks.{k}" for k in range(5)), images)
    by_hand = [
        part
        for m in maps
        for part in (
            m.mean((2, 3)),
            m.std((2, 3), correction=0),
            m.flatten(2).max(2).values,
            nn.functional.interpolate(m, size=(2, 2), mode="area").flatten(1),
        )
    ]
    torch.testing.assert_close(features, torch.cat(by_hand, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["test_vit", "test_vit2"])
def test_of_a_transformer_the_class_token_is_apart(name: str) -> None:
    found, images = network(name), torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        features = read(found, reading(found), images)
    depth = len(found.blocks)  # type: ignore[arg-type]
    tokens = seen(found, tuple(f"blocks.{k}" for k in range(depth)), images)
    by_hand = [part for t in tokens for part in (t[:, 1:].mean(1), t[:, 1:].std(1, correction=0), t[:, 0])]
    torch.testing.assert_close(features, torch.cat(by_hand, 1), rtol=1e-5, atol=1e-5)


def test_of_a_network_with_channels_last() -> None:
    found, images = network("test_mambaout"), torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        features = read(found, reading(found), images)
    maps = seen(found, tuple(f"stages.{k}" for k in range(4)), images)
    assert [m.shape[3] for m in maps] == [16, 32, 48, 64], "timm gives (B, H, W, C)"
    by_hand = [part for m in maps for part in (m.mean((1, 2)), m.std((1, 2), correction=0))]
    torch.testing.assert_close(features, torch.cat(by_hand, 1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", ["mlp", "resnet_table", "ft_transformer"])
def test_of_a_tabular_encoder(table_plan: PlanOf, backbone: str) -> None:
    statistics = (
        *("table.statistics=plan", "+table.vocabulary={sex: [f, m]}", "+table.means={age: 52.0, pressure: 130.0}"),
        *("table.min_count=1", "+table.deviations={age: 10.0, pressure: 25.0}"),
    )
    model = build(table_plan(f"backbone={backbone}", "features=taps", "features.scale=none", *statistics), None)
    chosen: Any = model.network.reading
    rows = torch.randn(4, *model.spec.shape)
    with torch.no_grad():
        features = model.network.features(rows)
    outputs = seen(model.network.backbone, chosen.modules, rows)
    assert len(outputs) > 1 and all(".blocks." in f".{path}." for path in chosen.modules)
    by_hand = []
    for one in outputs:  # vectors are kept once; of tokens, the first is [CLS]
        by_hand += [one] if one.ndim == 2 else [one[:, 1:].mean(1), one[:, 1:].std(1, correction=0), one[:, 0]]
    torch.testing.assert_close(features, torch.cat(by_hand, 1), rtol=1e-5, atol=1e-6)
    assert model.width == features.shape[1]


def test_lite0_has_1568_numbers() -> None:
    found = network("tf_efficientnet_lite0")
    parts = groups(found, reading(found), torch.zeros(1, 3, 64, 64))
    widths = [16, 24, 40, 80, 112, 192, 320]
    assert parts == tuple(Group(f"blocks.{k}", 2 * width) for k, width in enumerate(widths))
    assert sum(part.width for part in parts) == 1568


@pytest.mark.parametrize(
    ("stages", "read_of"),
    [
        ("blocks", ["blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4"]),
        (["blocks.3", "blocks.1"], ["blocks.1", "blocks.3"]),
        ("blocks.2", ["blocks.2"]),
    ],
)
def test_which_stages(stages: str | list[str], read_of: list[str]) -> None:
    assert list(reading(network("test_efficientnet"), stages).modules) == read_of


def test_all_stages_are_the_stem_too() -> None:
    found = network("test_efficientnet")
    stem = find_stages(found)[0]
    assert reading(found, "all").modules == (str(stem.output), *reading(found).modules)
    assert reading(found, "stem").modules == (str(stem.output),)


def test_a_network_that_repeats_no_stage_is_read_at_all() -> None:
    found = nn.Sequential(nn.Linear(3, 4))
    assert reading(found).modules == reading(found, "all").modules == ("0",)
    named = nn.Module()
    named.first, named.other = nn.Linear(3, 4), nn.Linear(4, 5)
    assert reading(named).modules == reading(named, "all").modules == ("first", "other")


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ("layer4", "features.stages: layer4 is no stage; choose blocks, all, or some of stem, blocks.0, blocks.1"),
        (["blocks.1", "head"], "features.stages: head is no stage; choose"),
        ([], "features.stages: names no stage, or one twice; choose"),
        (["blocks.1", "blocks.1"], "features.stages: names no stage, or one twice; choose"),
    ],
)
def test_stages_that_are_none(stages: str | list[str], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        reading(network("test_efficientnet"), stages)


@pytest.mark.parametrize(
    ("statistics", "words"),
    [
        ([], r"features.statistics=\[\] reads nothing; choose some of mean, deviation, maximum, quadrants"),
        (["median"], "features.statistics: median is unknown; choose some of mean, deviation"),
        (["mean", "mean"], "features.statistics names one twice"),
    ],
)
def test_statistics_that_are_none(statistics: list[str], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Taps("blocks", statistics)


@pytest.mark.parametrize("stages", ["blocks", "all", ["blocks.0"]])
def test_a_backbone_without_stages_has_nothing_to_read(stages: str | list[str]) -> None:
    with pytest.raises(PlanError, match=r"reads the outputs of a backbone's stages, .* none; set features=last"):
        reading(nn.Identity(), stages)


def test_it_is_what_a_plan_asks_for() -> None:
    assert isinstance(Taps("blocks", BOTH), ReadsBackbone)
    assert isinstance(reading(network("test_efficientnet")), Reading)

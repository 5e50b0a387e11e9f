"""Features from every depth, of kept rows: training gives the weights of training on images (relative 1e-4).

Stages are read above and below the cut: of those below, the statistics are kept beside the output at the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
SMALL = ("data.sites=2", "data.cases=24", "features=taps")
CASES = [
    ("test_efficientnet", "all", "none", "common"),
    ("test_efficientnet", "all", "none", "own_balanced"),
    ("test_efficientnet", "blocks.2", "none", "none"),
    ("test_efficientnet", "all", "none", "case", "features.keep=100", "compression=int8"),
    ("test_efficientnet", "blocks.2", "none", "own", "features.keep=100", "backbone.batch_norm=train"),
    ("test_efficientnet", "blocks.2", "none", "common"),
    ("test_efficientnet", "blocks.2", "none", "own", "features.shrink=10"),
    ("test_efficientnet", "blocks.3", "none", "case", "features.stages=[stem,blocks.1,blocks.4]"),
    ("test_efficientnet", "blocks.2", "ssf", "common"),
    ("test_efficientnet", "all", "ssf", "centre", "features.statistics=[mean,maximum]"),
    ("test_efficientnet", "all", "ssf", "own", "adaptation.stages=blocks.3"),
    ("test_vit", "blocks.3", "none", "own"),
    ("test_vit", "all", "lora", "auto", "adaptation.stages=blocks.3", "data.cases=120", "data.val_fraction=0.3"),
]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_weights_are_the_same(federate: Callable[..., Any], compose_plan: Composer, case: tuple[str, ...]) -> None:
    name, freeze, adaptation, scale, *more = case
    overrides = [
        *SMALL,
        f"backbone.name={name}",
        f"backbone.freeze={freeze}",
        f"adaptation={adaptation}",
        f"features.scale={scale}",
        *more,
    ]
    plans = [compose_plan(*overrides, "engine.runtime=eager", f"engine.keep={keep}") for keep in ("true", "false")]
    kept, whole = (federate(plan, out=str(plan.engine.keep)).outcome for plan in plans)
    assert list(kept.shared) == list(whole.shared)
    for tensor, value in whole.shared.items():
        largest = value.abs().max().item()
        assert torch.allclose(kept.shared[tensor], value, rtol=1e-4, atol=1e-4 * largest), tensor
    for site, splits in whole.final.by_site.items():
        mine, his = kept.final.by_site[site]["test"].figures(), splits["test"].figures()
        assert mine["loss"] == pytest.approx(his["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("freeze", "what", "before"),
    [("all", "features", 0), ("blocks.2", "stage blocks.2", 32 + 48), ("blocks.0", "stage blocks.0", 0)],
)
def test_what_is_kept_is_the_cut_and_the_taps_before_it(
    compose_plan: Composer, freeze: str, what: str, before: int
) -> None:
    """The tap at the cut itself is read from what is kept of it."""
    model = build(compose_plan("features=taps", f"backbone.freeze={freeze}", "data.image_size=64"), None)
    assert model.constant.what == what
    images = torch.randn(2, *model.spec.shape)
    kept = model.constant.compute(images).clone()
    assert tuple(kept.shape[1:]) == model.constant.shape
    if freeze != "all":
        stage = model.network.backbone.get_submodule(freeze)
        seen: list[torch.Tensor] = []
        stage.register_forward_hook(lambda m, i, output: seen.append(output))
        model.network.backbone(images)
        assert kept.shape[1] == seen[0][0].numel() + before
    with torch.no_grad():
        features = model.network.scale(model.network.features(images))
        torch.testing.assert_close(model.constant.trained(kept), model.network.head(features), rtol=1e-4, atol=1e-5)


def test_what_stays_constant_is_computed_once_and_only_the_rest_is_run(compose_plan: Composer) -> None:
    model = build(compose_plan("features=taps", "backbone.freeze=blocks.2"), None)
    kept = model.constant.compute(torch.randn(2, *model.spec.shape)).clone()
    runs: list[str] = []
    for path in ("blocks.0.0", "blocks.2.0", "blocks.3.0"):
        module = model.network.backbone.get_submodule(path)
        module.register_forward_hook(lambda m, i, o, path=path: runs.append(path))
    model.constant.trained(kept)
    assert runs == ["blocks.3.0"]

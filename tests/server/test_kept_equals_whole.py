"""Training on what is kept gives the weights of training on images: relative 1e-4 after two rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedgraft.common.plan.plan import Plan

CASES = [
    ("test_efficientnet", "all", "none"),
    ("test_efficientnet", "blocks.2", "none"),
    ("test_efficientnet", "blocks.2", "ssf"),
    ("test_efficientnet", "all", "fedbn"),
    ("test_efficientnet", "blocks.3", "silobn"),
    ("test_vit", "all", "none"),
    ("test_vit", "blocks.3", "none"),
    ("test_vit", "all", "ssf"),
    ("test_efficientnet", "blocks.2", "none", "augment=mild"),
    ("test_vit", "all", "none", "augment=mild"),
    ("test_efficientnet", "blocks.2", "none", "train.unfreeze=1", "train.layer_decay=0.5", "rounds=4"),
    ("test_vit", "blocks.3", "none", "train.unfreeze=1", "initial=prototypes", "rounds=4"),
    ("test_efficientnet", "all", "ssf", "augment=mild"),
    ("test_efficientnet", "all", "fedbn", "adaptation.stages=blocks.3"),
    ("test_efficientnet", "all", "lora", "adaptation.stages=blocks.3"),
    ("test_efficientnet", "blocks.3", "residual", "adaptation.stages=blocks.2"),
    ("test_efficientnet", "all", "lora", "adaptation.stages=blocks.3", "adaptation.batch_norm=fedbn"),
    ("test_vit", "all", "lora", "adaptation.stages=blocks.3"),
    ("test_vit", "all", "bottleneck", "adaptation.stages=blocks.2"),
    ("test_vit", "blocks.4", "adaptformer", "adaptation.role=local"),
    ("test_vit", "all", "ssf", "adaptation.stages=blocks.2"),
]


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_the_weights_are_the_same(
    federate: Callable[..., Any], compose_plan: Callable[..., Plan], case: tuple[str, ...]
) -> None:
    name, freeze, adaptation, *more = case
    overrides = [f"backbone.name={name}", f"backbone.freeze={freeze}", f"adaptation={adaptation}", *more]
    kept, whole = (
        federate(compose_plan(*overrides, f"engine.keep={keep}"), out=keep).outcome.shared for keep in ("true", "false")
    )
    for tensor in kept:
        scale = whole[tensor].abs().max().item()
        assert torch.allclose(kept[tensor], whole[tensor], rtol=1e-4, atol=1e-4 * scale), tensor

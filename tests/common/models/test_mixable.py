"""What can be mixed is seen when the model is built: at the coordinator and at every site, before round 1."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.kinds.images import Images
from fedgraft.common.models.build import build
from fedgraft.common.models.effects import require_mixable
from fedgraft.common.models.frozen_part import Constant
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

PlanOf = Callable[..., Plan]
TABLE = (
    "+table={numeric: [age], categorical: [sex], missing: [], indicate_missing: false, statistics: plan, min_count: 1, "
    "means: {age: 50.0}, deviations: {age: 10.0}, vocabulary: {sex: [f, m]}}",
    "data.image_size=null",
)


def test_rectangles_of_features_are_refused(small: PlanOf) -> None:
    with pytest.raises(PlanError) as caught:
        build(small("test_resnet", "augment.cutmix=1"), None)
    (problem,) = caught.value.problems
    assert problem.startswith("augment.cutmix cuts rectangles out of what is trained on, and the features (")
    assert problem.endswith("free an earlier stage of a CNN (backbone.freeze), or use augment.mixup")


def test_a_stage_s_output_and_images_have_places(small: PlanOf) -> None:
    for freeze in ("layer2", "none"):
        model = build(small("test_resnet", "augment.cutmix=1", f"backbone.freeze={freeze}"), None)
        assert len(model.constant.shape) == 3


def test_a_transformer_s_tokens_have_none_but_its_images_do(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"and the stage blocks\.0 \(\d+ x \d+\) has no places"):
        build(small("test_vit", "augment.cutmix=1", "backbone.freeze=blocks.0"), None)
    assert build(small("test_vit", "augment.cutmix=1", "backbone.freeze=none"), None).constant.what == "inputs"


def test_a_stage_that_puts_channels_last_is_refused(small: PlanOf) -> None:
    """timm's Swin says so of its outputs, in ``output_fmt``; ``(8, 8, 8)`` does not show it."""
    plan, swin = small("test_resnet", "augment.cutmix=1"), nn.Module()
    kept = Constant("stage layers.0", (8, 8, 8), lambda images: images, swin)
    facts = Images(plan, OURS).facts()
    require_mixable(plan, kept, swin, facts)
    swin.output_fmt = "NHWC"  # type: ignore[assignment]
    with pytest.raises(PlanError, match=r"the stage layers\.0 "):
        require_mixable(plan, kept, swin, facts)


def test_mixup_is_for_whatever_is_kept(small: PlanOf) -> None:
    for freeze in ("all", "layer2", "none"):
        build(small("test_resnet", "augment.mixup=0.2", f"backbone.freeze={freeze}"), None)


def test_categories_of_a_table_are_not_mixed_before_they_are_features(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"augment\.mixup has no meaning for a row of the table with categories"):
        build(plan_of("backbone=mlp", "augment.mixup=0.2", *TABLE), None)
    with pytest.raises(PlanError, match="and a row of the table"):
        build(plan_of("backbone=mlp", "augment.cutmix=0.2", *TABLE), None)
    build(plan_of("backbone=identity", "augment.mixup=0.2", *TABLE), None)

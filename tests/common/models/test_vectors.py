"""New cases are made of vectors only: what a plan trains on is looked at when the model is built."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
SMOTE = ("sampling=smote", "loss.weights=none")


def test_features_of_a_frozen_backbone_are_vectors(small: PlanOf) -> None:
    build(small("test_resnet", *SMOTE), None)


def test_what_is_no_vector_is_refused_before_the_first_round(small: PlanOf) -> None:
    with pytest.raises(PlanError) as caught:
        build(small("test_resnet", *SMOTE, "backbone.freeze=none"), None)
    (problem,) = caught.value.problems
    assert problem == (
        "sampling=smote makes new cases of vectors, and this plan trains on "
        "3 x 64 x 64 numbers of each case; set backbone.freeze=all with a head only, so that features are kept (and "
        "engine.keep=true), or sampling=over"
    )


def test_what_makes_no_case_samples_anything(small: PlanOf) -> None:
    build(small("test_resnet", "sampling=over", "loss.weights=none", "backbone.freeze=none"), None)


@pytest.mark.parametrize(("backbone", "refused"), [("identity", False), ("mlp", True)])
def test_codes_of_a_table_are_no_numbers(plan_of: PlanOf, backbone: str, refused: bool) -> None:
    table = (
        "+table={numeric: [age], categorical: [sex], missing: [], indicate_missing: false, statistics: plan, "
        "min_count: 1, means: {age: 50.0}, deviations: {age: 10.0}, vocabulary: {sex: [f, m]}}"
    )
    head = ("head=plain",) if backbone == "identity" else ("backbone.freeze=none",)
    plan = plan_of(f"backbone={backbone}", table, "data.image_size=null", *head, *SMOTE)
    if not refused:
        build(plan, None)
        return
    with pytest.raises(PlanError, match=r"between two codes of a categorical column there is nothing; use backbone="):
        build(plan, None)

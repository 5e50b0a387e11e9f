"""Every mistake in a plan's table, and where it meets the other sections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.checks.table import table_problems
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan, from_dict

PlanOf = Callable[..., Plan]
TABLE = TableSection(
    numeric=("age",),
    categorical=("sex",),
    missing=("?",),
    indicate_missing=False,
    statistics="plan",
    min_count=1,
    means={"age": 50.0},
    deviations={"age": 10.0},
    vocabulary={"sex": ("f", "m")},
)
CONF = (
    "+table={numeric: [age], categorical: [sex], missing: ['?'], indicate_missing: false, statistics: plan, "
    "min_count: 1, means: {age: 50.0}, deviations: {age: 10.0}, vocabulary: {sex: [f, m]}}",
    "data.image_size=null",
)


def test_a_good_table_has_no_problem() -> None:
    assert table_problems(TABLE) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"numeric": ("age", "sex")}, "table: column sex is named 2 times"),
        ({"numeric": (), "categorical": (), "means": {}, "deviations": {}, "vocabulary": {}}, "table names no column"),
        (
            {"numeric": (), "means": {}, "deviations": {}, "indicate_missing": True},
            "table.indicate_missing has no effect without numeric columns",
        ),
        ({"statistics": "federated"}, "table.means has no effect with table.statistics=federated; leave it empty"),
        ({"min_count": 5}, "table.min_count must be 1 with table.statistics=plan: no site sends statistics"),
        ({"means": {}}, "table.means lacks age: table.statistics=plan needs it of each column"),
        ({"deviations": {}}, "table.deviations lacks age"),
        ({"vocabulary": {}}, "table.vocabulary lacks sex"),
        ({"means": {"age": 1.0, "bp": 2.0}}, "table.means is given for bp, which the plan does not list as such"),
        ({"means": {"age": float("nan")}}, "table.means.age must be a number of at most 1e+18 in magnitude"),
        ({"means": {"age": 1e19}}, "table.means.age must be a number of at most 1e+18 in magnitude"),
        ({"deviations": {"age": 0.0}}, "table.deviations.age must lie between 1e-18 and 1e+18"),
        ({"deviations": {"age": -1.0}}, "table.deviations.age must lie between 1e-18 and 1e+18"),
        ({"deviations": {"age": float("inf")}}, "table.deviations.age must lie between 1e-18 and 1e+18"),
        ({"vocabulary": {"sex": ()}}, "table.vocabulary.sex is empty: the column has no effect"),
        ({"vocabulary": {"sex": ("f", "f")}}, "table.vocabulary.sex names a category twice"),
        ({"vocabulary": {"sex": ("f", "?")}}, "table.vocabulary.sex names a category that no cell can be"),
        ({"vocabulary": {"sex": ("f", " m")}}, "table.vocabulary.sex names a category that no cell can be"),
        ({"vocabulary": {"sex": ("f", "")}}, "table.vocabulary.sex names a category that no cell can be"),
        (
            {"vocabulary": {"sex": ("x" * 201,)}},
            "table.vocabulary.sex must have at most 1000 categories of at most 200",
        ),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], text: str) -> None:
    assert any(problem.startswith(text) for problem in table_problems(replace(TABLE, **changes)))


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("backbone=timm",), "backbone.name=resnet18 takes images, and the plan has a table; use backbone=identity"),
        (("backbone=mlp", "backbone.channels=3"), "backbone.channels has no effect on a table; set it to null"),
        (("backbone=mlp", "backbone.keep_as=float16"), "backbone.keep_as=float16 can't hold a table's codes"),
        (("backbone=mlp", "backbone.freeze=all"), "the backbone's dropout has no effect with backbone.freeze=all"),
        (("backbone=identity", "backbone.freeze=none"), "backbone.freeze has no effect on backbone=identity"),
        (
            ("backbone=identity", "backbone.pretrained=true", "backbone.weights=a.safetensors"),
            "backbone.pretrained=true has no effect on backbone=identity",
        ),
        (("backbone=identity", "head=linear"), "head.normalise=true would scale each case by its own numbers"),
        (("backbone=mlp", "augment=mild"), "augment.views above 1 has no meaning for a table; use augment=none"),
        (("backbone=mlp", "data.image_size=64"), "data.image_size has no effect on a table; set it to null"),
        (
            ("backbone=mlp", "data.task=survival", "data.classes=[]", "table.numeric=[time]"),
            "table: time is what data.task=survival predicts; remove it from the columns",
        ),
        (
            ("backbone=mlp", "data.task=multilabel", "data.classes=[sex]"),
            "table: sex is what data.task=multilabel predicts; remove it from the columns",
        ),
        (("backbone=mlp", "+backbone.heads=2"), "backbone.heads is not an option of Mlp; it takes: n_blocks"),
        (("backbone=mlp", "~backbone.n_blocks"), "backbone.n_blocks is required by Mlp"),
        (("backbone=mlp", "backbone.n_blocks=two"), "backbone.n_blocks='two'"),
        (
            ("backbone=mlp", "backbone.name=table/mpl"),
            "backbone.name=table/mpl is no tabular encoder; use one of table/",
        ),
    ],
)
def test_beside_the_other_sections(plan_of: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*CONF, *overrides)
    assert any(problem.startswith(text) for problem in caught.value.problems), caught.value.problems


def test_a_tabular_backbone_needs_a_table(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"backbone.name=table/mlp needs a table: say in `table` what its columns are"):
        plan_of("backbone=mlp", "data.image_size=null")


def test_images_need_channels_and_take_no_options(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"backbone.channels must be 1 or 3 for images"):
        plan_of("backbone.channels=null")
    with pytest.raises(PlanError, match=r"backbone.depth is not an option"):
        plan_of("+backbone.depth=3")


def test_the_head_that_suits_identity_comes_with_it(plan_of: PlanOf) -> None:
    assert plan_of(*CONF, "backbone=identity").head.options == {"normalise": False}
    assert plan_of(*CONF, "backbone=mlp").head.options == {"normalise": True}


def test_options_of_a_backbone_survive_the_way_through_a_file(plan_of: PlanOf) -> None:
    plan = plan_of(*CONF, "backbone=mlp")
    assert plan.to_dict()["backbone"]["n_blocks"] == 2
    assert from_dict(plan.to_dict()) == plan
    assert from_dict(plan.to_dict()).digest == plan.digest

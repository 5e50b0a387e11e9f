"""Which kind of input a plan has, and what the two kinds of the house say of themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import InputFacts, InputKind
from fedgraft.common.interfaces.inputs import ArraySpec, ImageSpec, TableSpec
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.kinds.images import Images
from fedgraft.common.kinds.tables import Tables
from fedgraft.common.models.network import measure_groups
from fedgraft.common.plan.data_sections import InputSection
from fedgraft.common.plan.parts import resolve
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.common.tables.statistics import Moments, TableStatistics

PlanOf = Callable[..., Plan]
TABLE = (
    "+table={numeric: [age, bp], categorical: [sex], missing: [], indicate_missing: false, statistics: federated, "
    "min_count: 1}"
)


@pytest.fixture
def rows(plan_of: PlanOf) -> Plan:
    return plan_of("backbone=identity", "data.image_size=null", TABLE)


def test_a_plan_with_a_table_is_for_rows_any_other_for_images(small: PlanOf, rows: Plan) -> None:
    images = kind_of(small("test_resnet"))
    assert isinstance(images, Images)
    assert isinstance(kind_of(rows), Tables)
    assert isinstance(images.spec(), ImageSpec)
    assert images.facts().layout == torch.channels_last
    assert kind_of(rows).facts().layout == torch.contiguous_format
    assert all(isinstance(kind, InputKind) for kind in (images, kind_of(rows)))


def test_their_rooms_are_there_and_the_coordinator_does_not_load_them(small: PlanOf, rows: Plan) -> None:
    for plan in (small("test_resnet"), rows):
        factory = kind_of(plan).facts().factory
        assert factory.startswith("fedgraft.client.")
        assert callable(resolve(factory, "a factory"))


def test_a_plan_can_name_its_kind(small: PlanOf) -> None:
    plan = small("test_resnet", "input._target_=fedgraft.common.kinds.images.Images")
    with pytest.raises(PlanError, match=r"input\._target_=os\.system is not in an allowed package"):
        kind_of(replace(plan, input=InputSection("os.system")))
    with pytest.raises(PlanError, match=r"input\._target_=fedgraft\.common\.plan\.plan\.Plan is not a InputKind"):
        kind_of(replace(plan, input=InputSection("fedgraft.common.plan.plan.Plan")))
    assert isinstance(kind_of(plan), Images)
    assert from_dict(plan.to_dict()) == plan


def test_a_named_kind_and_a_table_contradict_each_other(rows: Plan) -> None:
    named = rows.to_dict() | {"input": {"_target_": "fedgraft.common.kinds.images.Images"}}
    with pytest.raises(PlanError, match=r"table has no effect with input\._target_=fedgraft\.common\.kinds"):
        from_dict(named)


def test_columns_that_nobody_knows_are_left_out(rows: Plan) -> None:
    """Two sites know age, none knows bp, and one has a word for sex."""
    asked = kind_of(rows).federated_statistics()
    assert asked is not None
    known = TableStatistics((Moments(2, 50.0, 2.0), Moments()), ({"f": 2},))
    sections, dropped = asked.without_unknown({"north": known, "south": asked.nothing()})
    assert dropped == ("bp",)
    assert (sections["table"].numeric, sections["table"].categorical) == (("age",), ("sex",))
    with pytest.raises(PlanError, match=r"no column of the table is known: of none did north tell anything"):
        asked.without_unknown({"north": asked.nothing()})
    assert asked.stand_in() is None
    with pytest.raises(PlanError, match=r"table\.numeric names bp, of which no site told anything"):
        asked.known([known])


def test_an_encoder_s_file_says_of_which_table(rows: Plan) -> None:
    assert json.loads(kind_of(rows).facts().notes["table"])["numeric"] == ["age", "bp"]
    known = replace(
        rows,
        table=replace(
            rows.table,  # type: ignore[type-var]
            statistics="plan",
            means={"age": 1.0, "bp": 1.0},
            deviations={"age": 1.0, "bp": 1.0},
            vocabulary={"sex": ("f",)},
        ),
    )
    assert kind_of(known).federated_statistics() is None
    assert kind_of(known).spec() == TableSpec(2, (2,))
    assert kind_of(known).facts().codes


@pytest.mark.parametrize("name", ["histogram", "fourier"])
def test_means_over_images_travel_and_become_the_reference(small: PlanOf, name: str) -> None:
    asked = kind_of(small("test_resnet", f"harmonise={name}")).federated_statistics()
    assert asked is not None
    assert asked.nothing().is_nothing
    made_up = asked.stand_in()
    assert made_up is not None
    numbers = made_up["harmonise"].reference
    told = type(asked.nothing())(3, numbers)  # type: ignore[call-arg]
    assert asked.unpack(asked.pack(told)) == told
    assert asked.known([told])["harmonise"].reference == pytest.approx(numbers)
    assert asked.figures(told) == {"images": {"cases": 3, "means": list(numbers)}}


def test_a_backbone_that_does_not_take_the_shape_says_so() -> None:
    words = {"one": "signal", "a": "a signal", "every": "the signals", "taken": "the signals", "take": "read"}
    facts = InputFacts("ours.factory.Factory", **words)
    with pytest.raises(PlanError, match="the backbone does not take an input of this shape: mat1"):
        measure_groups(nn.Linear(3, 1), ArraySpec((4,)), None, facts.unfit)
    (group,) = measure_groups(nn.Linear(4, 2), ArraySpec((4,)), None, facts.unfit)
    assert group.width == 2

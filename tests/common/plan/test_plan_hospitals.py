"""A plan for hospitals has no data set and no partition: each hospital's own site file names its cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict, load_plan

PlanOf = Callable[..., Plan]


def test_only_the_data_set_its_options_and_the_partition_are_left_out(plan_of: PlanOf) -> None:
    simulated = plan_of("data=pneumoniamnist", "partition.alpha=0.1").to_dict()
    hospitals = plan_of("data=pneumoniamnist", "partition.alpha=0.1").for_hospitals().to_dict()
    assert simulated.pop("partition")["alpha"] == 0.1
    assert simulated["data"].pop("_target_").endswith("pneumoniamnist")
    assert "normals" in simulated["data"]
    del simulated["data"]["normals"]
    assert hospitals == simulated


def test_it_is_a_plan_and_stays_one(plan_of: PlanOf) -> None:
    hospitals = plan_of("data=busi").for_hospitals()
    assert from_dict(hospitals.to_dict()) == hospitals
    assert hospitals.for_hospitals() == hospitals
    assert hospitals.digest == plan_of("data=busi", "partition.sites=9").for_hospitals().digest
    assert plan_of("data=busi").digest != plan_of("data=busi", "partition.sites=9").digest


def test_a_file_of_a_simulation_says_what_hospitals_get(plan_of: PlanOf, tmp_path: Path) -> None:
    plan, file = plan_of("data.classes=['no', 'größer 5']"), tmp_path / "plan.yaml"
    file.write_text(plan.to_yaml(), encoding="utf-8")
    assert load_plan(file) == plan
    lines = plan.to_yaml().splitlines()
    assert lines[0].startswith("# `data._target_` with its options, and `partition`, are a simulation's")
    assert lines[2] == f"# {plan.for_hospitals().digest}"
    assert not plan.for_hospitals().to_yaml().startswith("#")
    assert "größer" in plan.to_yaml()


@pytest.mark.parametrize("section", ["data", "partition"])
def test_options_without_a_part_are_an_error(plan_of: PlanOf, section: str) -> None:
    raw = plan_of("data=busi").for_hospitals().to_dict()
    raw[section] = {**raw.get(section, {}), "sites": 5}
    with pytest.raises(PlanError, match=rf"{section}\._target_ is missing"):
        from_dict(yaml.safe_load(yaml.safe_dump(raw)))


def test_it_names_no_folder_of_the_coordinator(plan_of: PlanOf) -> None:
    plan = plan_of("data=busi", "tracking=mlflow", "tracking.folder=/srv/figures")
    assert "/srv/figures" in plan.to_json()
    assert plan.for_hospitals() == plan_of("data=busi").for_hospitals()
    assert plan.for_sites() == plan_of("data=busi") and plan.for_sites().digest == plan.digest

"""A plan as text, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedgraft.common.plan.plan import Plan, from_dict, from_json, load_plan

PlanOf = Callable[..., Plan]


@pytest.fixture(scope="module")
def default(plan_of: PlanOf) -> Plan:
    return plan_of()


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "fedadam"])
def test_json_and_plain_data_both_ways(plan_of: PlanOf, strategy: str) -> None:
    plan = plan_of(f"strategy={strategy}", "data=busi", "train.lr=0.00001")
    assert from_json(plan.to_json()) == plan
    assert from_dict(plan.to_dict()) == plan
    assert from_json(plan.to_json()).digest == plan.digest


def test_json_is_canonical(default: Plan) -> None:
    plain = json.loads(default.to_json())
    assert default.to_json() == json.dumps(plain, sort_keys=True, separators=(",", ":"))


def test_a_section_is_written_as_hydra_reads_it(default: Plan) -> None:
    assert default.to_dict()["head"] == {"_target_": "fedgraft.common.heads.heads.Linear", "normalise": True}


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_files_both_ways(plan_of: PlanOf, tmp_path: Path, suffix: str) -> None:
    plan = plan_of("strategy=fedadam", "strategy.tau=0.00001", "data.classes=['no', 'größer 5']")
    path = tmp_path / f"plan.{suffix}"
    text = plan.to_json() if suffix == "json" else yaml.safe_dump(plan.to_dict())
    path.write_text(text, encoding="utf-8")
    assert load_plan(path) == plan
    assert load_plan(path).digest == plan.digest

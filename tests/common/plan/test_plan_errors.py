"""All of a plan's problems come in one list; files that hold no plan say so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict, from_json, load_plan

PlanOf = Callable[..., Plan]


def with_changes(plan: Plan, changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    raw = plan.to_dict()
    return {name: {**raw[name], **changes.get(name, {})} if isinstance(raw[name], dict) else raw[name] for name in raw}


def all_problems(build: Callable[[], Plan]) -> str:
    with pytest.raises(PlanError) as caught:
        build()
    assert f"{len(caught.value.problems)} problem" in str(caught.value)
    return str(caught.value)


def test_missing_unknown_and_ill_typed_options_come_together(plan_of: PlanOf) -> None:
    raw = with_changes(plan_of(), {"train": {"lr": -1, "bogus": 1}, "engine": {"threads": 0}}) | {"extra": 1}
    del raw["seed"]
    text = all_problems(lambda: from_dict(raw))
    for named in ("5 problems", "seed is missing", "train.lr=-1", "train.bogus", "engine.threads=0", "extra is not"):
        assert named in text


def test_all_contradictions_come_together(plan_of: PlanOf) -> None:
    twice: dict[str, dict[str, Any]] = {"data": {"classes": ["a", "a"]}}
    others = {"release": {"class_counts": False}, "backbone": {"batch_norm": "train"}}
    raw = with_changes(plan_of(), twice | others)
    text = all_problems(lambda: from_dict(raw))
    for named in ("3 problems", "data.classes", "loss.weights=global", "backbone.batch_norm=train"):
        assert named in text


def test_an_ill_typed_option_does_not_hide_a_contradiction(plan_of: PlanOf) -> None:
    text = all_problems(lambda: plan_of("rounds=-1", "release.class_counts=false"))
    assert "rounds=-1" in text
    assert "loss.weights=global" in text


def test_problems_of_all_parts_come_together(plan_of: PlanOf) -> None:
    overrides = ("+head.bogus=1", "+loss.foo=1", "strategy._target_=os.system", "partition._target_=fedgraft.nope")
    text = all_problems(lambda: plan_of(*overrides))
    for named in ("4 problems", "head.bogus", "loss.foo", "strategy._target_=os.system", "partition._target_="):
        assert named in text


def test_a_contradiction_does_not_hide_a_part_s_problem(plan_of: PlanOf) -> None:
    text = all_problems(lambda: plan_of("+head.bogus=1", "release.class_counts=false"))
    assert "head.bogus" in text
    assert "loss.weights=global" in text


def test_an_option_of_another_strategy_is_refused(plan_of: PlanOf) -> None:
    text = all_problems(lambda: plan_of("+strategy.proximal_mu=1"))
    assert "strategy.proximal_mu is not an option of fedavg" in text


def test_what_fedgraft_sets_itself_is_refused(plan_of: PlanOf) -> None:
    text = all_problems(lambda: plan_of("+strategy.min_train_nodes=3", "+head.width=7"))
    assert "strategy.min_train_nodes is set by FedGraft; remove it" in text
    assert "head.width is set by FedGraft; remove it" in text


def test_a_mandatory_value_left_open_is_named(plan_of: PlanOf) -> None:
    assert "rounds" in all_problems(lambda: plan_of("rounds=???"))


def test_text_that_is_not_json() -> None:
    assert "not valid JSON" in all_problems(lambda: from_json("{nope"))
    assert "mapping of sections" in all_problems(lambda: from_json("[1, 2]"))


def test_numbers_that_json_does_not_have_are_refused(plan_of: PlanOf) -> None:
    raw = with_changes(plan_of("head=cosine"), {"head": {"scale": float("nan")}})
    assert "head.scale" in all_problems(lambda: from_dict(raw))
    raw = with_changes(plan_of("strategy=fedadam"), {"strategy": {"eta": float("inf")}})
    assert "strategy.eta" in all_problems(lambda: from_dict(raw))


def test_a_plan_s_json_is_json_for_everyone(plan_of: PlanOf) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(plan_of("patience.wait=1e300").to_json(), parse_constant=refuse)


def test_a_plan_file_that_does_not_exist(tmp_path: Path) -> None:
    text = all_problems(lambda: load_plan(tmp_path / "plan.yaml"))
    assert "plan.yaml does not exist; a simulation writes one" in text


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a: [", "not valid YAML"), (b"- a\n- b\n", "mapping of sections"), (b"", "mapping of sections")],
)
def test_a_file_that_is_no_plan_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    text = all_problems(lambda: load_plan(path))
    assert "mine.yaml" in text
    assert why in text


def test_a_decimal_comma_is_one_error_with_line_and_spelling(plan_of: PlanOf, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    plan = plan_of("train.epochs=2").to_yaml()
    block = re.sub(r"(?m)^  lr: .*$", "  lr: 0,01", plan, count=1)
    braces = re.sub(r"(?ms)^train:\n.*?(?=^\S)", "train: {epochs: 2, lr: 0,01, batch_size: 8}\n", plan)
    for text in (block, braces):
        path.write_text(text)
        line = text[: text.index("0,01")].count("\n") + 1
        said = f"plan.yaml, line {line}: `lr: 0,01` has a comma in a number; write `lr: 0.01`, with a point"
        problems = all_problems(lambda: load_plan(path))
        assert said in problems and "1 problem:" in problems
    path.write_text("a: {b: -1,5e-3}\nc: [1,2]\nd: '0,01'\ne: {f: 1, 2: }\ng: {h: x,3}\n")
    problems = all_problems(lambda: load_plan(path))
    assert "line 1: `b: -1,5e-3` has a comma in a number; write `b: -1.5e-3`" in problems
    assert problems.count("has a comma") == 1, "a list, a text, a key of its own are none"


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    assert "mine.yaml" in all_problems(lambda: load_plan(path))

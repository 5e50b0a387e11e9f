"""The section `patience`: no part of the digest, and what it was called before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import fedgraft as fg
from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan, from_dict, from_json, load_plan

Composer = Callable[..., Plan]


def test_it_is_no_part_of_the_digest(compose_plan: Composer) -> None:
    plan = compose_plan()
    other = compose_plan(
        "patience.deadline=60", "patience.quorum_sites=5", "patience.quorum_cases=1", "patience.wait=0"
    )
    assert other.patience != plan.patience and other.digest == plan.digest
    assert from_json(other.for_sites().to_json()).digest == plan.digest
    without = {name: value for name, value in other.to_dict().items() if name != "patience"}
    assert from_dict(without) == plan


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("deadline", "soon", "'soon': must be auto, or seconds from above 0 to 43200"),
        ("deadline", 0, "0: must be auto, or seconds from above 0 to 43200"),
        ("deadline", 43201, "43201: must be auto"),
        ("deadline", True, "True: must be auto"),
        ("deadline", float("nan"), "nan: must be auto"),
        ("quorum_cases", 1.1, "1.1: input should be less than or equal to 1"),
        ("quorum_cases", -0.1, "-0.1: input should be greater than or equal to 0"),
        ("wait", -1, "-1: input should be greater than or equal to 0"),
    ],
)
def test_what_it_does_not_take(compose_plan: Composer, name: str, value: Any, why: str) -> None:
    plain = compose_plan().to_dict()
    plain["patience"][name] = value
    with pytest.raises(PlanError) as caught:
        from_dict(plain)
    (problem,) = caught.value.problems
    assert problem.startswith(f"patience.{name}={why}")


OLD = [
    ("min_sites", "strategy.min_sites is called patience.quorum_sites now; write that"),
    ("timeout", "strategy.timeout is called patience.deadline now; write that"),
]


@pytest.mark.parametrize(("old", "sentence"), OLD)
def test_an_old_name_is_refused_with_the_new_one(
    compose_plan: Composer, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, sentence: str
) -> None:
    plain = compose_plan().to_dict()
    plain["strategy"][old] = 7
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(plain))
    for make in (
        lambda: load_plan(path),
        lambda: fg.plan(**{f"strategy__{old}": 7}),
        lambda: fg.plan(f"strategy.{old}=7"),
        lambda: fg.plan(f"+strategy.{old}=7"),
    ):
        with pytest.raises(PlanError) as caught:
            make()
        (problem,) = caught.value.problems
        assert problem.endswith(sentence)
    assert main(["plan", f"strategy.{old}=7"]) == 2
    assert sentence in capsys.readouterr().err

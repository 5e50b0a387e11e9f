"""A hospital that only tests: all its cases are test cases, and it has no part in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fedgraft as fg


@pytest.fixture
def table(tmp_path: Path) -> Path:
    drawn, lines = np.random.default_rng(0), ["hospital,label,split,x,y"]
    for hospital, splits in {"north": ("train", "test"), "south": ("train", "test"), "outside": ("test",)}.items():
        for case in range(60):
            label = case % 2
            x, y = drawn.normal(label), drawn.normal()
            lines.append(f"{hospital},{('no', 'yes')[label]},{splits[case // 2 % len(splits)]},{x:.4f},{y:.4f}")
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def words(table: Path, *more: str) -> tuple[str, ...]:
    given = (
        "loss.weights=none",
        "data.test=given",
        "data.val_fraction=0",
        "data.test_fraction=0",
        "rounds=3",
        "patience.quorum_sites=2",
    )
    return (
        "data=manifest",
        f"data.path={table}",
        "data.site=hospital",
        "data.patient=null",
        "table.numeric=[x,y]",
        *given,
        *more,
    )


def test_all_its_cases_are_tested_and_none_trains(table: Path, tmp_path: Path) -> None:
    run = fg.simulate(fg.plan(*words(table, "hold_out=[outside]")), tmp_path / "run", quiet=True)
    found = run.summary
    assert (found["sites"]["outside"]["cases"], found["sites"]["north"]["cases"]) == (60, 30)
    assert found["held_out"] == ["outside"]
    assert found["dropped"] == []
    trained = {line["site"] for line in map(dict, _rows(run.ledger)) if line["what"] == "train"}
    assert trained == {"north", "south"}


def test_its_own_scale_rests_on_its_test_cases(table: Path, tmp_path: Path) -> None:
    plan = fg.plan(*words(table, "hold_out=[outside]", "features.scale=own", "strategy=exact", "train=sgd_table"))
    run = fg.simulate(plan, tmp_path / "run", quiet=True)
    assert run.summary["sites"]["outside"]["auroc"] > 0.6


def test_without_hold_out_it_is_named_before_anything_is_read(table: Path, tmp_path: Path) -> None:
    with pytest.raises(fg.PlanError, match=r"all cases of outside are test cases, .*; set hold_out=\[outside\]"):
        fg.simulate(fg.plan(*words(table)), tmp_path / "run", quiet=True)


def test_a_study_has_no_model_of_its_own_to_compare(table: Path, tmp_path: Path) -> None:
    plan = fg.plan(*words(table, "hold_out=[outside]"))
    study = fg.study(plan, baselines=["local"], seeds=[0], out=tmp_path / "study", quiet=True)
    assert study.summary["by_site"]["outside"]["local"]["values"] == [None]
    assert study.summary["by_site"]["outside"]["local"]["absent"] == "only tests"
    assert study.summary["by_site"]["outside"]["federated"]["values"] != [None]
    assert study.summary["counted"] == [["north", "south"]]
    assert study.summary["failed"] == []


def _rows(frame: object) -> list[dict[str, object]]:
    return frame.to_dict("records") if hasattr(frame, "to_dict") else list(frame)  # type: ignore[call-overload]

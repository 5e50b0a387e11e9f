"""A run that fails leaves no results of the one before it in its folder, and nothing else is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

import fedgraft as fg
from fedgraft.common.cli import main
from fedgraft.simulations.engine.earlier import RESULTS, remove_earlier_results

LINES = [f"p{n},h{n % 3},{'no' if n % 30 < 12 else 'yes'},{n % 30}" for n in range(60)]


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(["patient,at,label,age", *LINES]) + "\n", encoding="utf-8")
    return path


def words(cases: Path) -> tuple[str, ...]:
    return ("data=manifest", f"data.path={cases}", "data.site=at", "table.numeric=[age]", "rounds=1")


def old_results(out: Path) -> None:
    out.mkdir(exist_ok=True)
    for name in (*RESULTS, "plan.yaml", "notes.txt"):
        (out / name).write_text("old", encoding="utf-8")


def test_only_files_that_a_run_makes_are_removed(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "seed-0" / "federated" / "lr-0.1"
    run.mkdir(parents=True)
    for out in (tmp_path, run):
        old_results(out)
    remove_earlier_results(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "plan.yaml", "runs"]
    assert sorted(path.name for path in run.iterdir()) == ["notes.txt", "plan.yaml"]


def test_an_error_in_the_data_leaves_no_result_of_the_run_before(cases: Path, tmp_path: Path) -> None:
    plan, out = fg.plan(*words(cases)), tmp_path / "run"
    cases.unlink()
    for begin in (lambda: fg.simulate(plan, out, quiet=True), lambda: fg.study(plan, ["local"], out=out, quiet=True)):
        old_results(out)
        with pytest.raises(fg.DataError, match=r"cases\.csv is no file"):
            begin()
        assert not any((out / name).exists() for name in RESULTS)


def test_nor_does_the_command(cases: Path, tmp_path: Path) -> None:
    """The data is read already while the plan is made."""
    old_results(tmp_path / "run")
    cases.unlink()
    assert main(["simulate", *words(cases), f"hydra.run.dir={tmp_path}/run"]) != 0
    assert not any((tmp_path / "run" / name).exists() for name in RESULTS)


def test_sites_that_are_no_longer_there_go(cases: Path, tmp_path: Path) -> None:
    fg.simulate(fg.plan(*words(cases)), tmp_path / "run", quiet=True)
    cases.write_text(cases.read_text().replace(",h2,", ",h1,"), encoding="utf-8")
    fg.simulate(fg.plan(*words(cases)), tmp_path / "run", quiet=True)
    assert sorted(path.name for path in (tmp_path / "run" / "sites").iterdir()) == ["h0", "h1"]

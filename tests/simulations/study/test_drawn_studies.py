"""Whole studies of folds and of few cases, over phantom hospitals."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedgraft.common import tasks
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.state import RunOutcome
from fedgraft.simulations.engine.earlier import remove_earlier_results
from fedgraft.simulations.engine.run import simulate_over
from fedgraft.simulations.federation.sites import Partitioned, partition_cases, write_sites
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study import study
from fedgraft.simulations.study.comparison import Comparison
from fedgraft.simulations.study.folds import as_given, with_fold
from fedgraft.simulations.study.study import run_study

Composer = Callable[..., Plan]
Run = Callable[..., dict[str, Any]]
SITES = ("alder", "birch")
WORDS = ("data.sites=2", "data.cases=60", "rounds=1", "train.lr=0.1")


@pytest.fixture
def out(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    (tmp_path / "study").mkdir()
    return tmp_path / "study"


@pytest.fixture
def run(compose_plan: Composer, out: Path) -> Run:
    def go(asked: Study, *overrides: str) -> dict[str, Any]:
        text = StringIO()
        found = run_study(compose_plan(*WORDS, *overrides), asked, out, Console(file=text, width=160))
        (out / "printed").write_text(text.getvalue(), encoding="utf-8")
        return found

    return go


def lines(run: Path, site: str) -> list[dict[str, str]]:
    with (run / "sites" / site / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_case_is_scored_once_by_a_model_that_did_not_see_it(run: Run, out: Path) -> None:
    found = run(Study(("local", "pooled", "leave_one_site_out"), folds=2))
    assert found["folds"] == 2 and found["failed"] == found["dropped"] == []
    for method in found["methods"]:
        assert [found["figures"][method][0][site]["cases"] for site in SITES] == [60, 60]
        assert found["all_cases"][method]["cases"] == [120]
    assert [found["cost"][method]["runs"] for method in found["methods"]] == [2, 4, 2, 4]
    folds = [out / "runs" / "seed-0" / f"fold-{fold}" for fold in (1, 2)]
    for method in ("federated", "leave_one_site_out-birch", "local-birch"):
        tested = Counter(
            line["path"]
            for fold in folds
            for line in lines(fold / method / "lr-0.1", "birch")
            if line["split"] == "test"
        )
        assert len(tested) == 60 and set(tested.values()) == {1}
    for fold in folds:
        trained = {line["path"] for line in lines(fold / "pooled" / "lr-0.1", "pooled")}
        assert not trained & {x["path"] for x in lines(fold / "pooled" / "lr-0.1", "alder") if x["split"] == "test"}
    assert not list(out.rglob("model.safetensors"))
    printed, written = (out / "printed").read_text(), (out / "study.md").read_text()
    for text in (printed, written):
        assert (
            "Out-of-fold AUROC by site" in text and "all cases together" in text and "Figures are out of fold" in text
        )
    assert (out / "study.png").stat().st_size > 10_000
    assert "all cases, each out of 2 folds" in Comparison(out)._repr_html_()


def test_the_figures_are_those_of_both_runs_together(run: Run, compose_plan: Composer, tmp_path: Path) -> None:
    found = run(Study(folds=2, seeds=(1,)))
    plan = compose_plan(*WORDS, "seed=1")
    partitioned, outcomes = partition_cases(plan, os.environ), list[RunOutcome]()
    for fold in (0, 1):
        folder = tmp_path / f"plain-{fold}"
        given = as_given(plan)
        sites = write_sites(given, with_fold(plan, partitioned, 2, fold), folder / "sites", os.environ)
        simulate_over(given, sites, folder, Console(file=StringIO()), ended=outcomes.append)
    for site in SITES:
        merged = tasks.of(plan.data).merge([outcome.final.by_site[site]["test"] for outcome in outcomes])
        assert found["by_site"][site]["federated"]["values"] == [pytest.approx(merged.figures()["auroc"], abs=1e-6)]


def test_each_fold_chooses_its_rate(run: Run) -> None:
    found = run(Study(folds=2, lrs=(0.01, 0.1)), "data.val_fraction=0.3")
    assert len(found["chosen_lr"]["federated"]) == 2 and set(found["chosen_lr"]["federated"]) <= {0.01, 0.1}
    assert found["cost"]["federated"]["runs"] == 4


def test_too_few_patients_of_a_class_end_a_study_before_it_starts(run: Run, out: Path) -> None:
    with pytest.raises(PlanError, match=r"folds=40: alder has fewer patients or groups than folds of .*lesion \("):
        run(Study(folds=40))
    assert not (out / "runs").exists()


def test_a_curve(run: Run, out: Path) -> None:
    """Of 60 cases, 42 train; the largest number is what study.json is about."""
    found = run(Study(("local",), cases=("all", 5, 8)), "loss.weights=local")
    assert found["cases"] == "all" and found["methods"] == ["federated", "local"]
    curve = json.loads((out / "curve.json").read_text())
    assert [point["cases"] for point in curve["points"]] == [5, 8, "all"]
    first, second, last = curve["points"]
    for site in SITES:
        assert all(0 < one["most"] <= 5 for one in first["trained_on"][site].values())
        assert all(one["most"] <= 8 for one in second["trained_on"][site].values())
        runs = out / "runs" / "seed-0"
        small, large = (lines(runs / f"cases-{n}" / "federated" / "lr-0.1", site) for n in (5, 8))
        trained = [{x["path"] for x in some if x["split"] == "train"} for some in (small, large)]
        assert trained[0] < trained[1]
        rest = [[x for x in some if x["split"] != "train"] for some in (small, large)]
        assert rest[0] == rest[1]
        assert Counter(x["label"] for x in small if x["split"] == "train") == {
            label: one["most"] for label, one in first["trained_on"][site].items()
        }
    assert last["all_there_are"] == {site: ["clear", "lesion"] for site in SITES}
    assert last["mean_over_sites"] == found["mean_over_sites"]
    assert first["mean_cases"] < second["mean_cases"] < last["mean_cases"]
    assert (out / "curve.png").stat().st_size > 10_000
    printed, written = (" ".join((out / name).read_text().split()) for name in ("printed", "curve.md"))
    for text in (printed, written):
        assert "Test AUROC by training cases per class and site, mean over sites" in text
        assert "Validation and test cases are the same for all numbers." in text
    assert "With all training cases per class and site" in (out / "study.md").read_text()
    comparison = Comparison(out)
    frame = comparison.curve
    assert list(frame["cases"]) == [5, 8, "all"]
    assert list(frame["local"]) == [point["mean_over_sites"]["local"]["mean"] for point in curve["points"]]
    assert comparison.curve_picture == out / "curve.png" and '<img alt="curve"' in comparison._repr_html_()
    remove_earlier_results(out)
    assert not list(out.glob("curve.*")) and not list(out.rglob("summary.json"))


def test_a_number_that_is_more_than_there_are_and_classes_made_equally_common(
    run: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 5 of each class, weights have no effect: the study leaves them out and says so, also for the federation."""

    def every_case_a_patient(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
        found = partition_cases(plan, environ)
        sites = {
            site: tuple(replace(case, patient=f"{site}-{n}") for n, case in enumerate(cases))
            for site, cases in found.sites.items()
        }
        return replace(found, sites=sites)

    monkeypatch.setattr(study, "partition_cases", every_case_a_patient)
    run(Study(("local",), cases=(5, 1000), folds=2), "data.val_fraction=0")
    text = (out / "curve.md").read_text()
    assert "With 1000, all cases that there are: alder (clear, lesion); birch (clear, lesion)." in text
    assert "Out-of-fold AUROC by training cases" in text
    assert (
        "With 5, without options that have no effect with these cases: federated: loss.weights; local-alder: "
        "loss.weights; local-birch: loss.weights."
    ) in text
    first = json.loads((out / "curve.json").read_text())["points"][0]
    assert {site: set(map(str, by_class.values())) for site, by_class in first["trained_on"].items()} == {
        site: {"{'least': 5, 'most': 5}"} for site in SITES
    }


def test_a_study_without_cases_has_no_curve(run: Run, out: Path) -> None:
    run(Study(seeds=(0,)))
    comparison = Comparison(out)
    assert comparison.curve_picture is None
    with pytest.raises(DataError, match=r"holds no curve; give the study cases=\[10, 50, 'all'\]"):
        _ = comparison.curve


def test_what_the_data_set_says_is_in_the_report(run: Run, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        study, "partition_cases", lambda plan, environ: replace(partition_cases(plan, environ), notes=("7 left out",))
    )
    found = run(Study(seeds=(0,)))
    assert found["notes"] == ["7 left out"] and "7 left out" in (out / "study.md").read_text()
    assert "7 left out" in (out / "printed").read_text()

"""A whole study over phantom hospitals, and what it chooses by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import BackboneError, DataError, FedGraftError, PlanError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.engine.run import simulate, simulate_over
from fedgraft.simulations.federation.sites import Partitioned, SimulatedSites, partition_cases
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed
from fedgraft.simulations.study import study, training
from fedgraft.simulations.study.study import choose, run_study
from fedgraft.simulations.study.summary import Trained

Composer = Callable[..., Plan]
Run = Callable[..., dict[str, Any]]
SITES = ("alder", "birch")


@pytest.fixture
def run(compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run(Study(...), "rounds=1")``: two hospitals, one round, printed to ``tmp_path / "printed"``."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(asked: Study, *overrides: str) -> dict[str, Any]:
        plan = compose_plan("data.sites=2", "rounds=1", "train.lr=0.1", "loss.weights=local", *overrides)
        (tmp_path / "study").mkdir()
        text = StringIO()
        try:
            return run_study(plan, asked, tmp_path / "study", Console(file=text, width=160))
        finally:
            (tmp_path / "printed").write_text(text.getvalue(), encoding="utf-8")

    return go


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_a_study_of_every_baseline(run: Run, compose_plan: Composer, tmp_path: Path) -> None:
    found = run(Study(("local", "pooled", "leave_one_site_out"), (0, 1)))
    out = tmp_path / "study"
    assert found == json.loads((out / "study.json").read_text())
    assert found["methods"] == ["federated", "local", "pooled", "leave_one_site_out"]
    assert found["sites"] == list(SITES) and found["seeds"] == [0, 1] and found["failed"] == found["budget"] == []
    assert found["dropped"] == [] and found["counted"] == [list(SITES)] * 2
    assert [found["cost"][method]["runs"] for method in found["methods"]] == [2, 4, 2, 4]
    _the_federation_is_a_plain_run(compose_plan, found, tmp_path)
    _pooled_trains_on_the_sum(out / "runs" / "seed-0")
    _the_site_left_out_never_trains(out / "runs" / "seed-0")
    assert [path.parent.parent.parent.name for path in out.glob("runs/*/*/*/model/model.safetensors")] == [
        "federated"
    ] * 2
    assert (out / "study.png").stat().st_size > 10_000
    difference = found["difference"]["local"]["mean_over_sites"]
    assert difference["low"] < difference["mean"] < difference["high"]
    printed, written = (tmp_path / "printed").read_text(), (out / "study.md").read_text()
    assert found["verdict"] in written and found["verdict"][:25] in printed
    for words in ("mean over sites", "worst site", "each site alone", "trained without it", *SITES):
        assert words in printed and words in written


def _the_federation_is_a_plain_run(compose_plan: Composer, found: dict[str, Any], tmp_path: Path) -> None:
    plan = compose_plan("data.sites=2", "rounds=1", "train.lr=0.1", "loss.weights=local", "seed=1")
    plain = simulate(plan, tmp_path / "plain", Console(file=StringIO()))
    assert found["figures"]["federated"][1] == plain["sites"]
    values = [found["by_site"][site]["federated"]["values"][1] for site in SITES]
    assert values == [plain["sites"][site]["auroc"] for site in SITES]


def _pooled_trains_on_the_sum(runs: Path) -> None:
    sites = json.loads((runs / "pooled" / "lr-0.1" / "summary.json").read_text())["sites"]
    assert sites["pooled"]["examples"] == sum(sites[site]["examples"] for site in SITES)
    asked = {entry["site"] for entry in ledger(runs / "pooled" / "lr-0.1") if entry["what"] == "train"}
    assert asked == {"pooled"}


def _the_site_left_out_never_trains(runs: Path) -> None:
    entries = ledger(runs / "leave_one_site_out-birch" / "lr-0.1")
    assert {entry["site"] for entry in entries if entry["what"] == "train"} == {"alder"}
    assert {entry["site"] for entry in entries if entry["what"] == "evaluate"} == set(SITES)


def test_a_rate_at_which_training_diverges_is_not_chosen(run: Run, tmp_path: Path) -> None:
    found = run(Study(("local",), lrs=(1e38, 0.1)), "train.epochs=9")
    assert set(map(tuple, found["chosen_lr"].values())) == {(0.1,)}
    assert found["cost"]["federated"]["runs"] == 2 and found["failed"] == []
    printed = (tmp_path / "printed").read_text()
    assert "seed 0, federated, lr 1e+38: failed" in printed and "can't be said from one seed" in printed


def test_a_federation_that_fails_ends_the_study_and_says_where(run: Run) -> None:
    with pytest.raises(
        FedGraftError, match=r"^seed 3, federated, lr 1e\+38: (.|\n)*`diverged`(.|\n)*training diverged"
    ):
        run(Study(("local",), seeds=(3,), lrs=(1e38,)), "train.epochs=9")


def test_with_a_test_set_at_the_coordinator_each_method_is_tested_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third hospital's cases are the coordinator's."""

    def partitioned(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
        whole = partition_cases(replace(plan, data=replace(plan.data, test="sites")), environ)
        return Partitioned({site: whole.sites[site] for site in SITES}, whole.sites["cedar"])

    monkeypatch.setattr(study, "partition_cases", partitioned)
    found = run(Study(("local", "pooled")), "data.sites=3", "data.test=coordinator", "data.test_fraction=0")
    figures = {method: found["figures"][method][0] for method in found["methods"]}
    assert figures["federated"]["alder"] == figures["federated"]["birch"]
    assert figures["pooled"]["alder"] == figures["pooled"]["birch"]
    assert figures["local"]["alder"]["cases"] == figures["pooled"]["birch"]["cases"] == 32


def labelled(cases: tuple[Case, ...], *labels: str) -> tuple[Case, ...]:
    """The same cases with these labels by turns, each of a patient of its own."""
    return tuple(
        replace(case, label=labels[n % len(labels)], patient=f"{case.patient}-{n}") for n, case in enumerate(cases)
    )


def test_at_a_site_of_one_class_a_baseline_is_trained_without_what_has_no_effect_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Birch has both classes, equally often: its weights are 1 too, and its validation figure is defined."""

    def partitioned(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
        sites = partition_cases(plan, environ).sites
        return Partitioned(
            {"alder": labelled(sites["alder"], "clear"), "birch": labelled(sites["birch"], "clear", "lesion")}, ()
        )

    monkeypatch.setattr(study, "partition_cases", partitioned)
    found = run(Study(("local",)), "loss.weights=global", "select=best", "data.val_fraction=0.2")
    assert found["failed"] == [] and found["figures"]["local"][0]["alder"]["loss"] is not None
    assert found["without_options"] == {f"local-{site}": ["loss.weights"] for site in SITES}
    assert found["last_without_val"] == ["local-alder"]
    assert found["counted"] == [["birch"]]
    for left in ("shared.safetensors", "local"):
        assert not list(tmp_path.rglob(left))


def test_what_ended_is_written_when_a_later_seed_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And any of our errors is a baseline's result. The data are asked for before the first training, too."""
    asked = list[int]()

    def partitioned(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
        asked.append(plan.seed)
        if asked.count(1) == 2:
            raise DataError("no such data")
        return partition_cases(plan, environ)

    def simulated(plan: Plan, federation: SimulatedSites, *others: Any) -> dict[str, Any]:
        if len(federation.sites) == 1:
            raise BackboneError("damaged")
        return simulate_over(plan, federation, *others)

    monkeypatch.setattr(study, "partition_cases", partitioned)
    monkeypatch.setattr(training, "simulate_over", simulated)
    with pytest.raises(FedGraftError, match=r"^no such data\n.*study.md and study.json hold the seeds before: 0$"):
        run(Study(("local",), seeds=(0, 1)))
    found = json.loads((tmp_path / "study" / "study.json").read_text())
    assert found["seeds"] == [0]
    assert [(one["run"], one["why"]) for one in found["failed"]] == [(f"local-{s}", "damaged") for s in SITES]
    assert "run 3 of 6" in (tmp_path / "printed").read_text()


def tried(lr: float, val: float | None, failed: str | None = None) -> Trained:
    return Trained("local", "alder", 0, lr, ("alder",), val=val, failed=failed)


def test_the_rate_with_the_best_validation_figure_is_chosen() -> None:
    assert choose([tried(1, 0.6), tried(2, 0.8), tried(3, 0.8), tried(4, None)], None).lr == 2
    assert choose([tried(1, None, "diverged"), tried(2, 0.3)], None).lr == 2


def test_a_rate_at_which_a_site_diverged_counts_as_failed() -> None:
    line = {"round": 3, "what": "train", "site": "alder", "outcome": "site-error", "reason": "reported `diverged`"}
    diverged = replace(tried(1, 0.9), dropped=(line,))
    assert choose([diverged, tried(2, 0.3)], None).lr == 2
    assert choose([diverged, tried(2, None)], fallback=1).lr == 2
    assert choose([diverged, tried(2, None, "no")], None).lr == 1
    assert choose([replace(diverged, dropped=({**line, "reason": "no answer"},)), tried(2, 0.3)], None).lr == 1


def test_without_a_validation_figure_it_is_the_federation_s_rate() -> None:
    chosen = choose([tried(1, None), tried(2, None)], fallback=2)
    assert (chosen.lr, chosen.chosen_without_val) == (2, True)
    assert not choose([tried(1, None)], fallback=2).chosen_without_val
    assert choose([tried(1, None, "no"), tried(2, None, "no")], fallback=2).failed == "no"
    nearest = choose([tried(0.1, None), tried(1, None, "no"), tried(3, None), tried(9, None)], fallback=1)
    assert (nearest.lr, nearest.failed, nearest.chosen_without_val) == (3, None, True)
    with pytest.raises(RoundError, match="lrs: the federation has no defined figure on validation cases"):
        choose([tried(1, None), tried(2, None)], fallback=None)


def test_rates_need_validation_cases_in_a_split_that_is_given(real: Callable[[str], Path], tmp_path: Path) -> None:
    root = real("uci_heart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_DATA", str(root))
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path))
        planned = composed(Words(("data=uci_heart", "lrs=[0.1,1]")))
        with pytest.raises(PlanError, match="this data set's own split has none"):
            run_study(planned.plan, planned.study, tmp_path, Console(file=StringIO()))

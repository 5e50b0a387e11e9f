"""The two commands as a researcher types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fedgraft.common.cli import main

SMALL = [
    "backbone=timm",
    "backbone.name=test_efficientnet",
    "backbone.pretrained=false",
    "data.image_size=32",
    "data.sites=2",
    "data.cases=24",
    "data.size=64",
    "rounds=1",
    "train.epochs=1",
    "engine.workers=0",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "120")


def test_plan_prints_roles_bytes_metrics_and_digest_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A linear head on 256 features: 2 x 256 + 2 numbers of four bytes."""
    assert main(["plan", *SMALL]) == 0
    text = capsys.readouterr().out
    head = next(line for line in text.splitlines() if "head" in line and "shared" in line)
    assert "514" in head and "2,056" in head
    for words in (
        "frozen",
        "once, if the site lacks it: the backbone",
        "in total, 1 rounds",
        "leaves a site",
        "training loss",
        "plan digest",
    ):
        assert words in text
    assert not list(tmp_path.iterdir())


def test_the_announced_bytes_are_those_counted_in_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "strategy=fedprox"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "each round" in line)
    announced = int(row.split("│")[2].strip().replace(",", ""))
    assert main(["simulate", *SMALL, "strategy=fedprox", "hydra.run.dir=run"]) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["bytes"]["down"] == announced


def test_simulate_prints_the_table_with_the_worst_site_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *SMALL, "data.cases=80", "data.test_fraction=0.5", "hydra.run.dir=run"]) == 0
    text = capsys.readouterr().out
    worst = json.loads((tmp_path / "run" / "summary.json").read_text())["worst_site"]["name"]
    assert f"{worst} *" in text
    for heading in ("cases", "prev. lesion", "AUROC", "AUPRC", "bal. acc.", "sens.", "spec."):
        assert heading in text


def test_all_errors_come_at_once_and_the_exit_code_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = [
        "rounds=0",
        "train.optimizer=rmsprop",
        "+train.nesterov=true",
        "+strategy.momentum=1",
        "head.normalise=true",
    ]
    assert main(["simulate", *SMALL, *wrong]) == 2
    text = capsys.readouterr().err
    assert all(words in text for words in ("rounds=0", "train.optimizer='rmsprop'", "train.nesterov is not an option"))
    assert main(["simulate", *SMALL, "partition.alpha=1"]) == 2
    assert "partition.alpha is not an option here" in capsys.readouterr().err


def test_unknown_options_of_parts_are_named_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "+strategy.momentum=1", "+head.bias=false", "+strategy.min_train_nodes=1"]) == 2
    text = capsys.readouterr().err
    assert "strategy.momentum is not an option of fedavg" in text
    assert "head.bias is not an option of linear" in text
    assert "strategy.min_train_nodes is set by FedGraft" in text


def test_a_freeze_pattern_that_matches_no_stage_lists_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "backbone.freeze=layer9"]) == 2
    assert "choose all, none or one of: stem, blocks.0" in capsys.readouterr().err


def test_a_sweep_runs_each_point_and_reports_the_one_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ["-m", "strategy=fedavg,fedmedian", "hydra.sweep.dir=sweep"]
    assert main(["simulate", *SMALL, *sweep]) == 0
    assert [(tmp_path / "sweep" / str(n) / "summary.json").is_file() for n in (0, 1)] == [True, True]
    told = capsys.readouterr().out
    assert "the runs of the sweep" in told and told.count("strategy=fedmedian") > told.count("#1 : ")
    assert main(["simulate", *SMALL, "-m", "rounds=0,1", "hydra.sweep.dir=mixed"]) == 2
    assert (tmp_path / "mixed" / "1" / "summary.json").is_file()


def test_cfg_job_prints_the_composed_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--cfg", "job"]) == 0
    assert "_target_: flwr.serverapp.strategy.FedAvg" in capsys.readouterr().out


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "--help"])
    assert stopped.value.code in (0, None)
    text = capsys.readouterr().out
    assert "fedgraft simulate data=busi" in text
    assert "adaptation: adaptformer, bottleneck, fedbn, lora, none, residual, silobn, ssf" in text


def test_simulate_says_whose_sums_are_missing_and_what_each_share_was_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One hospital has fewer than five patients with the class."""
    start = [
        "initial=prototypes",
        "initial.interpolate=[0.5,1.0]",
        "data.sites=3",
        "data.cases=60",
        "hydra.run.dir=run",
    ]
    assert main(["simulate", *SMALL, *start]) == 0
    text, summary = capsys.readouterr().out, json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(summary["interpolations"]) == ["0.5", "1"]
    assert f"shares of the trained head, by auroc on validation cases: 0.5: {summary['interpolations']['0.5']}" in text
    assert summary["initial_without"]
    assert f"the head's start is without the sums of {', '.join(summary['initial_without'])}" in " ".join(text.split())


def test_plan_tells_what_a_site_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts of 2 classes, 2 x 256 sums and 256 * 257 / 2 weighted moments, 8 bytes each."""
    assert main(["plan", *SMALL, "initial=ridge"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"{8 * (2 + 2 * 256 + 256 * 257 // 2):,}" in text
    assert "before the first round, over training cases: counts, moments, sums (" in text


def test_plan_refuses_the_baselines_that_simulate_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "adaptation=fedbn", "baselines=[pooled]"]) == 2
    assert "baselines=pooled: the layers of adaptation=fedbn" in capsys.readouterr().err


def test_of_an_exact_fit_the_plan_tells_ridges_and_bytes_and_the_run_how_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = ["strategy=exact", "rounds=2", "strategy.most_evaluations=3", "data.cases=60", "select=best"]
    assert main(["plan", *SMALL, *exact]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "strategy=exact: one round for each ridge (1, 0.001), and the final model is the best of them by the sites' "
        "validation cases; each is the optimum of all sites' cases."
    ) in text
    assert "unused by strategy=exact, since sites do not train: all options of train." in text
    assert "at most 3 in a round" in text
    assert "in total, at most 6 evaluations" in text
    assert "leaves a site: gradient of its summed loss; number of training cases; training loss" in text
    announced = re.search(r"at most 3 in a round +│ +([\d,]+) │", text)
    assert announced is not None
    assert main(["simulate", *SMALL, *exact, "hydra.run.dir=run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "ridges, and how often each asked for the gradient: 1 (3), 0.001 (3)" in said
    assert (
        "not converged at ridge 1, 0.001: raise strategy.most_evaluations or strategy.tolerance, or end the path "
        "earlier (strategy.weakest)"
    ) in said
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [fit["evaluations"] for fit in summary["fits"]] == [3, 3]
    assert summary["bytes"]["down"] == 3 * int(announced[1].replace(",", ""))
    assert json.loads((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()[2])["fit"]["converged"] is False


def test_a_site_away_in_a_round_is_away_for_all_its_gradients(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "strategy=exact",
        "rounds=4",
        "patience.quorum_sites=1",
        "data.sites=4",
        "loss.weights=none",
        "clock=clinics",
    ]
    assert main(["simulate", *SMALL, *words, "clock.default.availability=0.6", "hydra.run.dir=run"]) == 0
    capsys.readouterr()
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text().splitlines()]
    away = [(line["round"], line["site"]) for line in lines if line["outcome"] == "unreachable"]
    there = {(line["round"], line["site"]) for line in lines if line["what"] == "gradient" and line["outcome"] == "ok"}
    assert 0 < len(away) == len(set(away)) < 16
    assert there.isdisjoint(away)


def test_the_scale_of_a_phantom_hospital_without_labels_is_said_to_rest_on_an_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alder draws 40 lesions in 100."""
    held = ["data.sites=4", "data.cases=120", "data.shift=0", "hold_out=[alder]", "features=taps"]
    fit = ["features.scale=own_balanced", "strategy=exact", "strategy.strongest=0.01", "strategy.weakest=0.01"]
    assert main(["plan", *SMALL, *held, *fit]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "the class-balanced scale at alder (hold_out) rests on an estimate of its prevalence" in text
    assert "of a held-out site, the cases by class that it expects" in text
    assert main(["simulate", *SMALL, *held, *fit, "hydra.run.dir=run"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    shares = json.loads((tmp_path / "run" / "summary.json").read_text())["prevalence_estimated"]["alder"]
    assert shares["lesion"] == pytest.approx(0.4, abs=0.12)
    words = f"clear {shares['clear']:.2f}, lesion {shares['lesion']:.2f}"
    assert f"scale at alder rests on an estimate of its prevalence, without labels ({words})" in text

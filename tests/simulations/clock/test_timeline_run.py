"""Virtual time of a real small run, and of the same run with other lines afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml
from rich.console import Console

from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.cli import main
from fedgraft.common.errors import DataError, PlanError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.clock.case_cost import calibrate
from fedgraft.simulations.commands.clock import reckon
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation.availability import answers

Composer = Callable[..., Plan]
GIVEN = tuple(
    f"clock.case_seconds.{name}={value}" for name, value in (("keep", 0.1), ("train", 0.01), ("evaluate", 0.02))
)
THREE = ("clock=clinics", *GIVEN, "+clock.sites.birch.availability=1", "rounds=3")
Go = Callable[..., tuple[Path, dict[str, Any]]]


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def ran() -> dict[tuple[str, ...], tuple[Path, dict[str, Any]]]:
    return {}


@pytest.fixture
def go(
    compose_plan: Composer,
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    ran: dict[tuple[str, ...], tuple[Path, dict[str, Any]]],
) -> Go:
    """``go(override, ...)`` -> the run's folder and its summary; a run is made once for all tests of this file."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def run(*overrides: str) -> tuple[Path, dict[str, Any]]:
        if overrides not in ran:
            out = tmp_path_factory.mktemp("run") / "out"
            ran[overrides] = (out, simulate(compose_plan(*overrides), out, Console(file=StringIO())))
        return ran[overrides]

    return run


def test_a_clock_leaves_its_files_and_figures_and_changes_no_weight(go: Go) -> None:
    (plain, _), (out, summary) = go("rounds=3"), go(*THREE)
    assert {"clock.jsonl", "clock.png"} <= {path.name for path in out.iterdir()}
    assert not (plain / "clock.jsonl").exists()
    expected, found = (safetensors.torch.load_file(folder / "model" / "model.safetensors") for folder in (plain, out))
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert json.loads((out / "summary.json").read_text()) == summary


def test_every_second_follows_from_the_ledger(go: Go) -> None:
    """Cedar has clinics' default: speed 0.5, 20 Mbit/s up, 100 down; one epoch. Worked out from files alone."""
    out, summary = go(*THREE)
    ledger, rounds, clock = (lines(out, f"{name}.jsonl") for name in ("ledger", "rounds", "clock"))
    kinds = [(one["round"], one["what"]) for one in clock]
    trained = [(1, "train"), (2, "train"), (3, "train")]
    assert kinds == [(1, "prepare"), *trained, (3, "evaluate"), (3, "familiarity")]
    cases = sum(rounds[0]["sites"]["cedar"][split]["cases"] for split in ("val", "test"))
    for message, step in ((e, c) for e in ledger for c in clock if (e["round"], e["what"]) == (c["round"], c["what"])):
        if message["site"] != "cedar" or message["what"] != "train":
            continue
        parts = step["sites"]["cedar"]
        assert parts["download"] == pytest.approx(message["bytes_down"] * 8 / 100e6, abs=1e-4)
        assert parts["upload"] == pytest.approx(message["bytes_up"] * 8 / 20e6, abs=1e-4)
        assert parts["compute"] == pytest.approx((message["examples"] * 0.01 + cases * 0.02) / 0.5, abs=1e-4)
        assert parts["latency"] == 2.5
    assert sum(one["seconds"] for one in clock) == pytest.approx(summary["clock"]["total_seconds"], abs=1e-3)
    assert sum(summary["clock"]["waited_for"].values()) == 3
    assert summary["clock"]["case_seconds"] == {"keep": 0.1, "train": 0.01, "evaluate": 0.02}


def test_a_warm_cache_does_not_shorten_virtual_time(go: Go, compose_plan: Composer, tmp_path: Path) -> None:
    _, cold = go(*THREE, "seed=23")
    warm = simulate(compose_plan(*THREE, "seed=23"), tmp_path, Console(file=StringIO()))
    assert warm["clock"]["total_seconds"] == pytest.approx(cold["clock"]["total_seconds"], abs=0.01)


def test_a_site_that_is_away_is_in_the_ledger_by_name_and_the_run_goes_on(go: Go) -> None:
    """Birch answers in half of the rounds, as drawn from seed, name and round."""
    half = ("clock=clinics", *GIVEN, "+clock.sites.birch.availability=0.5", "rounds=6", "seed=3")
    out, summary = go(*half)
    expected = [number for number in range(1, 7) if not answers(0.5, 3, "birch", number)]
    assert 0 < len(expected) < 6
    dropped = [(line["round"], line["site"], line["what"], line["outcome"]) for line in summary["dropped"]]
    assert dropped == [(number, "birch", "train", "unreachable") for number in expected]
    clock = [one for one in lines(out, "clock.jsonl") if one["what"] == "train"]
    assert [one["round"] for one in clock if one["sites"]["birch"]["offline"] == 60.0] == expected
    assert all(one["waited_for"] == "birch" and one["seconds"] == 60.0 for one in clock if one["round"] in expected)
    assert set(summary["sites"]) == {"alder", "birch", "cedar"}, "it still takes part in the last evaluation"


def test_too_many_away_end_the_run_with_their_names(go: Go) -> None:
    with pytest.raises(RoundError, match=r"patience.quorum_sites=2 are needed(.|\n)*birch: unreachable"):
        go("clock=clinics", *GIVEN, "clock.default.availability=0.0001")


def test_a_site_that_is_none_of_the_run_ends_it_before_it_starts(go: Go, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"clock.sites.elm is no site of this run; this run has alder, birch, cedar"):
        go("clock=clinics", "+clock.sites.elm.uplink=2")


def test_the_same_run_again_with_a_better_line(go: Go, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, summary = go(*THREE)
    before = summary["clock"]["total_seconds"]
    assert reckon(out, None, [], None) == summary["clock"]
    better = reckon(out, None, ["clock.sites.alder.uplink=4", "clock.latency=1"], tmp_path)
    assert better["total_seconds"] < before - 6 * 1.5 + 0.1, "a second and a half less for each of six messages"
    assert sum(one["seconds"] for one in lines(tmp_path, "clock.jsonl")) == pytest.approx(
        better["total_seconds"], abs=0.01
    )
    assert main(["clock", str(out), "--out", str(tmp_path), "clock.sites.alder.uplink=4"]) == 0
    text = capsys.readouterr().out
    assert "The federation would have taken" in text and "waited for" in text
    assert (tmp_path / "clock.png").is_file()


def test_a_run_without_a_clock_is_measured_afterwards(go: Go) -> None:
    out, _ = go("rounds=3")
    found = reckon(out, "clinics", ["clock.sites.birch.availability=1", "clock.case_seconds.train=0.5"], None)
    assert found["case_seconds"]["train"] == 0.5
    assert found["case_seconds"]["keep"] > 0 and found["case_seconds"]["evaluate"] > 0


def test_a_profile_may_be_a_file(go: Go, tmp_path: Path) -> None:
    out, summary = go(*THREE)
    path = tmp_path / "ours.yaml"
    plan = yaml.safe_load((out / "plan.yaml").read_text())
    path.write_text(yaml.safe_dump(plan["clock"]))
    assert reckon(out, str(path), [], None) == summary["clock"]


@pytest.mark.parametrize(
    ("profile", "changes", "words"),
    [
        (None, ["rounds=3"], r"rounds=3: give clock.OPTION=VALUE"),
        (None, ["clock.latency"], r"clock.latency: give clock.OPTION=VALUE"),
        (None, ["clock.latency=["], r"clock.latency=\[: while parsing"),
        (None, ["clock.bogus=1"], r"clock.bogus is not an option"),
        (None, ["clock.sites.elm.uplink=1"], r"clock.sites.elm is no site of this run"),
        (
            None,
            ["clock.sites.cedar.availability=0.5"],
            r"availability=0.5, but the run had 1, .*simulate again, or add",
        ),
        ("nowhere", [], r"--profile nowhere is neither a file nor one of: clinics"),
    ],
)
def test_what_cannot_be_reckoned_is_refused_by_name(
    go: Go, profile: str | None, changes: list[str], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        reckon(go(*THREE)[0], profile, changes, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"a: [", "is not valid YAML"), (b"\xff\xfe\x81", "is not valid YAML"), (b"- a", "must be a mapping")],
)
def test_a_profile_that_is_none_is_named(go: Go, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "ours.yaml").write_bytes(content)
    with pytest.raises(PlanError, match=rf"ours.yaml {words}"):
        reckon(go(*THREE)[0], str(tmp_path / "ours.yaml"), [], None)


def test_a_folder_that_holds_no_ended_run_is_named(go: Go, tmp_path: Path) -> None:
    plain, _ = go("rounds=3")
    with pytest.raises(PlanError, match="this run has no clock; choose one: --profile clinics"):
        reckon(plain, None, [], None)
    out = tmp_path / "cut"
    shutil.copytree(go(*THREE)[0], out)
    whole = (out / "ledger.jsonl").read_text().splitlines(keepends=True)
    (out / "ledger.jsonl").write_text("".join(whole[:-9]))  # three evaluations, six questions on what is familiar
    with pytest.raises(DataError, match="holds a run that did not end"):
        reckon(out, None, [], None)
    (out / "ledger.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds no ledger.jsonl; name the folder of a run that has ended"):
        reckon(out, None, [], None)


def test_a_deployed_run_has_no_cases_to_measure_on(go: Go, tmp_path: Path) -> None:
    out = tmp_path / "deployed"
    shutil.copytree(go("rounds=3")[0], out, ignore=shutil.ignore_patterns("sites"))
    changes = ["clock.sites.#2.availability=1", "clock.case_seconds.train=0.5", "clock.case_seconds.evaluate=0.1"]
    with pytest.raises(DataError, match=r"give clock.case_seconds.keep=SECONDS"):
        reckon(out, "clinics", changes, None)
    found = reckon(out, "clinics", [*changes, "clock.case_seconds.keep=0"], None)
    assert list(found["sites"]) == ["alder", "birch", "cedar"]


def test_withheld_evaluations_are_taken_to_be_the_plan_s_fractions(go: Go) -> None:
    """Of 32 cases 0.15 + 0.25 are held out: of n training cases 2/3 n are evaluated."""
    _, summary = go(*THREE, "release.evaluation=false")
    examples = summary["sites"]["cedar"]["examples"]
    compute = (examples * 0.01 + round(examples * 2 / 3) * 0.02) / 0.5
    assert summary["clock"]["sites"]["cedar"]["compute"] == pytest.approx(compute, abs=1e-3)


def test_given_costs_are_not_measured_and_the_backbone_is_that_of_the_ledger(go: Go, compose_plan: Composer) -> None:
    out, _ = go(*THREE, "seed=23")
    found = calibrate(compose_plan(*THREE, "seed=23"), ())
    assert (found.costs.keep, found.costs.train, found.costs.evaluate) == (0.1, 0.01, 0.02)
    question, parcel = sorted({line["bytes_down"] for line in lines(out, "ledger.jsonl") if line["what"] == "prepare"})
    assert parcel - question == found.backbone


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("backbone.freeze=none",),
        ("engine.keep=false",),
        ("features.keep=20",),
        ("loss=logit_adjusted",),
        ("loss=ldam", "loss.weights=local"),
        ("loss.weights=none", "sampling=over", "augment.mixup=0.2"),
    ],
)
def test_what_is_not_given_is_measured_on_the_plan_s_own_model(
    go: Go, compose_plan: Composer, overrides: tuple[str, ...]
) -> None:
    cases = read_manifest(go(*THREE)[0] / "sites" / "cedar" / "manifest.csv")
    threads, before = torch.get_num_threads(), torch.get_rng_state()
    costs = calibrate(compose_plan("clock=clinics", *overrides), cases).costs
    assert min(costs.keep, costs.train, costs.evaluate) > 0
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), before)

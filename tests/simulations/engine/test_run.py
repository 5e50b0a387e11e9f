"""The whole path in one process: command line -> sites -> rounds -> report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from rich.console import Console

from fedgraft.client.cohort.manifest import manifest
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.errors import FedGraftError, PlanError, RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.datasets.source import data_root
from fedgraft.simulations.engine.display import site_table
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation import sites

Composer = Callable[..., Plan]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))

    def go(*overrides: str, out: str = "run") -> dict[str, Any]:
        return simulate(compose_plan(*overrides), tmp_path / out, Console(file=StringIO()))

    return go


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model" / "model.safetensors")


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


@pytest.mark.draws
def test_a_run_leaves_the_documented_files_and_keys(run: Run, tmp_path: Path) -> None:
    summary = run()
    names = {"plan.yaml", "rounds.jsonl", "ledger.jsonl", "model", "rounds.png", "summary.json"}
    assert names <= {path.name for path in (tmp_path / "run").iterdir()}
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["seed"] == 0 and summary["rounds"] == 2 and summary["dropped"] == []
    assert len(summary["plan_digest"]) == 64 and summary["seconds"]["total"] > 0
    assert summary["bytes"]["up"] > 0 and summary["bytes"]["down"] > 0
    assert {"auroc", "auprc", "balanced_accuracy"} <= set(summary["test"])
    assert len(summary["sites"]) == 3
    told = summary["intervals"]["sites"]
    assert summary["worst_site"] == {"name": None, "auroc": None} and all(one["few"] for one in told.values())


def test_the_worst_site_is_one_with_enough_test_cases(run: Run) -> None:
    summary = run("data.cases=80", "data.test_fraction=0.5", "rounds=1")
    enough = {
        name: summary["sites"][name]["auroc"] for name, one in summary["intervals"]["sites"].items() if not one["few"]
    }
    assert summary["worst_site"]["auroc"] == min(enough.values()) == enough[summary["worst_site"]["name"]]


def test_rounds_and_ledger_have_a_line_for_each_round_and_site(run: Run, tmp_path: Path) -> None:
    run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "rounds.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [0, 1, 2]
    assert all(len(line["sites"]) == 3 for line in lines)
    kinds = [(entry["round"], entry["what"], entry["outcome"]) for entry in ledger(tmp_path / "run")]
    assert kinds.count((1, "train", "ok")) == kinds.count((2, "train", "ok")) == kinds.count((2, "evaluate", "ok")) == 3


def test_one_seed_gives_the_same_bits_twice_and_another_seed_does_not(run: Run, tmp_path: Path) -> None:
    for out, seed in (("first", 0), ("again", 0), ("other", 1)):
        run(f"seed={seed}", "data.image_size=48", out=out)
    first, again, other = (weights(tmp_path / out) for out in ("first", "again", "other"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
    rounds = [(tmp_path / out / "rounds.jsonl").read_text().splitlines() for out in ("first", "again")]
    drop = [[{**json.loads(line), "seconds": 0} for line in some] for some in rounds]
    assert drop[0] == drop[1]


def test_the_backbone_travels_once_and_then_only_shared_tensors(run: Run, tmp_path: Path) -> None:
    """test_efficientnet has about 350,000 numbers; the head 2 x 256 + 2, in two arrays."""
    run("seed=7", out="cold")
    run("seed=7", out="warm")
    cold, warm = ledger(tmp_path / "cold"), ledger(tmp_path / "warm")
    backbone = 4 * sum(t.numel() for name, t in weights(tmp_path / "cold").items() if name.startswith("backbone."))
    parcels = [entry for entry in cold if entry["what"] == "prepare" and entry["bytes_down"] > backbone]
    assert len(parcels) == 3
    assert not [entry for entry in warm if entry["bytes_down"] > backbone]
    head = 4 * (2 * 256 + 2)
    for entry in warm:
        if entry["what"] == "train":
            assert head < entry["bytes_down"] < head + 600
            assert head < entry["bytes_up"] < head + 2000


def test_the_same_folder_again_starts_afresh(run: Run, tmp_path: Path) -> None:
    """Local tensors of an earlier run in the folder must not be taken up."""
    first, again = run("adaptation=fedbn"), run("adaptation=fedbn")
    assert first["test"] == again["test"]


@pytest.mark.parametrize("damage", [lambda old: old[: len(old) // 2], lambda old: old[:-9] + b"\1" + old[-8:]])
def test_a_damaged_backbone_is_sent_again(run: Run, tmp_path: Path, cache: Path, damage: Any) -> None:
    run("seed=11", out="whole")
    for path in (cache / "store" / "backbones").iterdir():
        path.write_bytes(damage(path.read_bytes()))
    run("seed=11", out="repaired")
    whole, repaired = weights(tmp_path / "whole"), weights(tmp_path / "repaired")
    assert all(torch.equal(whole[name], repaired[name]) for name in whole)
    assert max(entry["bytes_down"] for entry in ledger(tmp_path / "repaired")) > 400_000


def test_a_damaged_store_of_features_is_computed_again(
    run: Run, tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = run(out="first")
    for rows in (cache / "store" / "kept").glob("*/rows.bin"):
        rows.write_bytes(b"garbage")
    assert run(out="again")["test"] == first["test"]
    assert "computed again" in caplog.text


def test_the_shared_tensors_of_the_last_round_are_kept_as_it_goes(run: Run, tmp_path: Path) -> None:
    run()
    shared = safetensors.torch.load_file(tmp_path / "run" / "shared.safetensors")
    assert all(torch.equal(tensor, weights(tmp_path / "run")[name]) for name, tensor in shared.items())


def test_fedprox_with_a_large_mu_keeps_the_weights_near_the_global_ones(run: Run, tmp_path: Path) -> None:
    """One round from a zero head, 20 steps at rate 0.01: mu = 50 halves what is there at each; 2 steps remain."""
    common = ("rounds=1", "train.epochs=20", "train.schedule=constant")
    run(*common, out="plain")
    run(*common, "strategy=fedprox", "strategy.proximal_mu=50", out="near")
    plain, near = (weights(tmp_path / out)["head.weight"].norm() for out in ("plain", "near"))
    assert 0 < near < 0.2 * plain


@pytest.mark.parametrize("adaptation", ["fedbn", "silobn", "ssf"])
def test_each_adaptation_runs_and_changes_what_it_says(run: Run, tmp_path: Path, adaptation: str) -> None:
    run(f"adaptation={adaptation}")
    kept = set(weights(tmp_path / "run"))
    local = list((tmp_path / "run" / "sites").glob("*/state/local/*.safetensors"))
    assert any(name.startswith("adapters.") for name in kept) == (adaptation == "ssf")
    assert len(local) == (0 if adaptation == "ssf" else 3)
    assert ("backbone.bn1.weight" in kept) == (adaptation != "fedbn")
    assert ("backbone.bn1.running_mean" in kept) == (adaptation == "ssf")


def test_a_site_with_one_class_shows_undefined_and_no_number(run: Run) -> None:
    """Label skew as strong as it gets: each site has (nearly) one class."""
    summary = run(
        "partition=dirichlet",
        "partition.alpha=0.01",
        "partition.sites=3",
        "partition.min_cases=5",
        "loss.weights=none",
    )
    one_class = [site for site in summary["sites"].values() if site["prevalence"] in (0.0, 1.0)]
    assert one_class and all(site["auroc"] is None and site["auprc"] is None for site in one_class)
    console = Console(file=(text := StringIO()), width=120)
    console.print(site_table(summary))
    assert text.getvalue().count("undefined") >= 2 * len(one_class)
    assert ("undefined: cases of one class only" in text.getvalue()) == bool(one_class)


def test_a_site_that_fails_is_dropped_by_name_and_the_run_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hospital's manifest names a class that the plan does not have."""
    _spoil_one_manifest(monkeypatch)
    summary = run("patience.quorum_sites=2")
    assert len(summary["sites"]) == 2
    assert {line["outcome"] for line in summary["dropped"]} == {"site-error"}
    assert "data-unusable" in summary["dropped"][0]["reason"]


def test_too_few_good_sites_is_an_error_that_says_who_and_why(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil_one_manifest(monkeypatch)
    with pytest.raises(
        RoundError, match=r"patience.quorum_sites=3 are needed(.|\n)*data-unusable(.|\n)*not in data.classes"
    ):
        run("patience.quorum_sites=3")


def _spoil_one_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    written = manifest.write_manifest

    def spoil(path: Path, cases: Any) -> None:
        written(path, cases)
        if path.parent.name == "birch":
            path.write_text(path.read_text().replace(",lesion,", ",tumour,"))

    monkeypatch.setattr(sites, "write_manifest", spoil)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("patience.quorum_sites=4",), r"quorum_sites=4, but the partition has 3 site\(s\): set it to 3, or"),
        (
            ("data.sites=1",),
            r"2, but the partition has 1 site\(s\): set it to 1, or have more sites \(data.site",
        ),
        (("data.test=coordinator",), r"data.test=coordinator: this data set has no official test set"),
        (("train.lr=1e38", "train.epochs=9"), r"diverged.*lower train.lr"),
    ],
)
def test_what_cannot_work_is_refused_by_name(run: Run, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(FedGraftError, match=words):
        run(*overrides)


def test_a_global_loss_without_any_class_counts_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = ReleasePolicy(class_counts=False)
    monkeypatch.setattr(sites, "SiteFile", lambda **values: SiteFile(**{**values, "release": closed}))
    with pytest.raises(RoundError, match="no site gave its class counts"):
        run()


def test_local_tensors_and_a_test_set_at_the_coordinator_do_not_go_together(run: Run) -> None:
    if data_root(os.environ) is None:
        pytest.skip("needs a data set with an official test set; set FEDGRAFT_DATA")
    with pytest.raises(PlanError, match=r"data.test=coordinator can't score"):
        run("data=pneumoniamnist", "adaptation=fedbn")

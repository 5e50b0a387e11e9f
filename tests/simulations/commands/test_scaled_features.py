"""What the two commands say of features and their scale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.cli import main
from fedgraft.simulations.federation import sites

SMALL = [
    "backbone=timm",
    "backbone.name=test_efficientnet",
    "backbone.pretrained=false",
    "features=taps",
    "data.image_size=32",
    "data.size=64",
    "rounds=1",
    "train.epochs=1",
    "loss.weights=none",
    "engine.workers=0",
    "hydra.run.dir=run",
]
WIDTH = 32 + 48 + 64 + 96 + 128
"""Mean and deviation of each stage at 64 pixels."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "160")


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_plan_tells_the_features_their_scale_and_what_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "data.image_size=64"]) == 0
    text = said(capsys)
    assert f"{WIDTH} features" in text
    assert "features are scaled: by mean and deviation over all sites' training cases" in text
    assert "once: mean and squares of each feature" in text and f"{2 * 8 * WIDTH:,}" in text
    assert "before the first round, mean and sum of squares of each feature over its training cases" in text


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["features.scale=own"], "by mean and deviation of each site's own training cases, which stay there"),
        (["features.scale=case"], "each stage of a case by its own mean and deviation in that case"),
        (["features.scale=auto"], "by the common or each site's own mean and deviation, whichever suits"),
    ],
)
def test_plan_says_each_scale(capsys: pytest.CaptureFixture[str], overrides: list[str], words: str) -> None:
    assert main(["plan", *SMALL, *overrides]) == 0
    text = said(capsys)
    assert words in text
    assert ("mean and squares of each feature" in text) == (overrides == ["features.scale=auto"])
    assert ("sums for the head's start" in text) == (overrides == ["features.scale=auto"])


def test_plan_says_what_is_kept_of_several_networks(capsys: pytest.CaptureFixture[str]) -> None:
    networks = "[{name: test_efficientnet, size: 32, pretrained: false}, {name: test_resnet, pretrained: false}]"
    words = ["features=taps", f"features.networks={networks}", "data.image_size=null"]
    assert main(["plan", *words]) == 0
    text = said(capsys)
    assert "kept at the site: the features of each network, by itself" in text
    assert "input: 3 x 160 x 160" in text


def test_simulate_says_which_scale_was_chosen_and_by_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["features.scale=auto", "data.sites=3", "data.cases=60", "data.val_fraction=0.3"]
    assert main(["simulate", *SMALL, *more]) == 0
    text, summary = said(capsys), json.loads((tmp_path / "run" / "summary.json").read_text())
    figures = summary["choices"]["features.scale"]
    best = "own" if figures["own"] > figures["common"] else "common"
    tried = f"common: {figures['common']}, own: {figures['own']}"
    assert f"features.scale: {best} was chosen, by auroc on validation cases ({tried})" in text


def test_simulate_says_whose_moments_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hospital's site file forbids statistics."""

    def quiet(**values: object) -> SiteFile:
        policy = ReleasePolicy(statistics=values["name"] != "birch")
        return SiteFile(**{**values, "release": policy})  # type: ignore[arg-type]

    monkeypatch.setattr(sites, "SiteFile", quiet)
    assert main(["simulate", *SMALL, "data.sites=3", "data.cases=40"]) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["moments_without"] == ["birch"]
    assert "the common scale of features is without birch; ledger.jsonl says why" in said(capsys)


def test_the_announced_bytes_are_those_counted_in_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of the tensors that are only given."""
    assert main(["plan", *SMALL, "data.sites=2", "data.cases=24"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "each round" in line)
    down = int(row.split("│")[2].strip().replace(",", ""))
    assert main(["simulate", *SMALL, "data.sites=2", "data.cases=24"]) == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["bytes"]["down"] == down


def test_plan_says_how_many_features_are_kept_and_what_that_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *SMALL, "data.image_size=64", "features.keep=100"]) == 0
    text = said(capsys)
    assert "keep=100" in text
    assert f"features.keep: 100 of {WIDTH} features enter the head" in text
    assert "(chosen from blocks.0 32, blocks.1 48, blocks.2 64, blocks.3 96, blocks.4 128)" in text
    size = 8 * (2 + 2 * WIDTH + WIDTH)
    assert "once: sums by which features are ranked" in text and f"squares ({size:,} bytes; nothing if a class" in text
    assert main(["plan", *SMALL, "data.image_size=64", "features.keep=100", "features.scale=auto"]) == 0
    assert f"squares ({2 * size:,} bytes;" in said(capsys)


def test_simulate_says_which_stages_features_are_kept_from_and_who_had_no_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quiet(**values: object) -> SiteFile:
        policy = ReleasePolicy(statistics=values["name"] != "birch")
        return SiteFile(**{**values, "release": policy})  # type: ignore[arg-type]

    monkeypatch.setattr(sites, "SiteFile", quiet)
    assert main(["simulate", *SMALL, "data.sites=3", "data.cases=60", "features.keep=30", "features.scale=own"]) == 0
    summary, text = json.loads((tmp_path / "run" / "summary.json").read_text()), said(capsys)
    assert sum(summary["kept"].values()) == 30 and list(summary["kept"]) == [f"blocks.{k}" for k in range(5)]
    assert "features.keep: " + ", ".join(f"{name} {n}" for name, n in summary["kept"].items()) in text
    assert "birch" in summary["ranking_without"] and "alder" not in summary["ranking_without"]
    who = ", ".join(summary["ranking_without"])
    assert f"the ranking of features is without {who}; ledger.jsonl says why" in text

"""A run over hospitals that tell scores by groups, end to end: what leaves, what is fitted, and what `predict` says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan
from fedgraft.server import app as server_app
from fedgraft.simulations.engine.grid import InProcessGrid


def test_small_hospitals_that_tell_groups_get_the_raw_model_s_threshold_by_name(
    table_plan: Callable[..., Plan],
    table_sites: Callable[..., list[Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each score is told by nobody; of 15 and 16 test cases the model calls all right, which sites count exactly."""
    sites, out = table_sites(2, 60), tmp_path / "run"
    for site in sites:
        site.write_text(site.read_text(encoding="utf-8").replace("scores: fine", "scores: merged"), encoding="utf-8")
    app = client_app.build(client_app.MessageHandler(Workspace(), sites))
    grid = InProcessGrid(app, [{"site-file": str(site)} for site in sites], {})
    split = ("data.test=sites", "data.test_fraction=0.2", "data.val_fraction=0.15")
    server_app.serve(grid, table_plan("rounds=8", "train.epochs=4", *split), out, None, lambda round_: None)
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert found["scores"]["in_groups_of"] == {"site-0": 5, "site-1": 5}
    at = found["decisions"]["thresholds"]["lesion"]["chosen"]["pooled"]
    assert [at[name]["value"] for name in ("sensitivity", "specificity")] == [1.0, 1.0]
    assert [found["test"][name] for name in ("sensitivity", "specificity")] == [1.0, 1.0]
    assert found["calibration"]["method"] == "none" and found["decisions"]["sets"] == {}
    capsys.readouterr()
    predictions = tmp_path / "predictions.csv"
    manifest = str(sites[0].parent / "manifest.csv")
    assert main(["predict", str(out), "--manifest", manifest, "--out", str(predictions)]) == 1  # a line can't be used
    said = " ".join(capsys.readouterr().out.split())
    assert "this model has no calibration" in said
    assert "neither calibration nor thresholds nor sets of answers were fitted for lesion: site-0, site-1 tell" in said
    with predictions.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if not row["reason"]]
    assert {row["set"] for row in rows} == {""}
    assert {row["predicted"] for row in rows} == {"clear", "lesion"}
    assert all((row["predicted"] == "lesion") == (float(row["raw_lesion"]) >= 0.5) for row in rows)
    assert {row["why"] for row in rows} <= {
        "",
        "close to the threshold",
        "unlike the cases that the model was trained on",
    }


@pytest.mark.parametrize("coarse", [2, 1])
def test_choices_by_scores_in_too_few_groups_are_the_defaults_and_said(
    table_plan: Callable[..., Plan], table_sites: Callable[..., list[Path]], tmp_path: Path, coarse: int
) -> None:
    """Nine validation cases a site. Where both tell groups of five, nothing is chosen; else by the other's."""
    sites, out = table_sites(2, 60), tmp_path / "run"
    for site in sites[:coarse]:
        site.write_text(site.read_text(encoding="utf-8").replace("scores: fine", "scores: merged"), encoding="utf-8")
    app = client_app.build(client_app.MessageHandler(Workspace(), sites))
    grid = InProcessGrid(app, [{"site-file": str(site)} for site in sites], {})
    split = ("data.test=sites", "data.test_fraction=0.2", "data.val_fraction=0.15")
    words = ("features.scale=auto", "initial=ridge", "initial.alpha=[100.0,10.0,1.0]", "initial.interpolate=[0.0,0.5]")
    plan = table_plan("rounds=1", "train.epochs=1", *split, *words)
    server_app.serve(grid, plan, out, None, lambda round_: None)
    found = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    said = {one.split(": ")[0] for one in found["warnings"] if "came in too few groups to choose by" in one}
    if coarse == 2:
        assert (found["choices"], found["interpolations"]) == ({}, {})
        assert said == {
            "features.scale=auto took the common scale",
            "initial took the middle one of the heads to choose from",
            "initial.interpolate took the trained head",
        }
    else:
        assert sorted(found["choices"]) == ["features.scale", "initial"] and len(found["interpolations"]) == 2
        by_others = "chose by the other hospitals' validation cases"
        assert said == {f"{option} {by_others}" for option in ("features.scale=auto", "initial", "initial.interpolate")}
    for file in ("report.html", "model-card.md"):
        assert "features.scale=auto" in (out / file).read_text(encoding="utf-8")

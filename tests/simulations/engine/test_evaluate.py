"""`fedgraft site evaluate`: all cases of a site; its figures against scikit-learn, and what it says of itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import fedgraft as fg
from fedgraft.client.prediction.evaluate_command import TRAINED
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.decisions.decisions import from_json

RNG = np.random.default_rng(1)
AGE = RNG.normal(60, 10, 240).round()
RISK = (AGE - 60) / 10 + RNG.normal(0, 1, 240)
FRAME: dict[str, Any] = {
    "age": AGE,
    "hospital": np.repeat(["north", "south", "west"], 80),
    "patient": [f"P{number // 2}" for number in range(240)],
    "ill": np.where(RISK > 0.5, "yes", "no"),
    "days": np.exp(5 - RISK).round(2),
    "died": (RNG.random(240) < 0.6).astype(int),
}


def trained(folder: Path, columns: dict[str, str], **options: object) -> fg.Run:
    source = fg.Source.from_frame(FRAME, numeric=["age"], site="hospital", **columns, folder=folder / "frames")
    plan = fg.plan(source=source, rounds=2, engine__threads=1, data__val_fraction=0.3, hold_out=["west"], **options)
    return fg.simulate(plan, folder / "run", quiet=True)


def evaluated(run: fg.Run, site: Path) -> tuple[int, dict[str, Any]]:
    code = main(["site", "evaluate", str(run.out), "--site", str(site / "site.yaml")])
    (written,) = (site / "state" / "evaluations").iterdir()
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return code, found


def predictions(run: fg.Run, manifest: Path, out: Path) -> list[dict[str, str]]:
    main(["predict", str(run.out), "--manifest", str(manifest), "--out", str(out)])
    with out.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


def test_figures_are_those_of_all_cases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path, {"label": "ill", "patient": "patient"})
    new = tmp_path / "new"
    manifest = run.out / "sites" / "west" / "manifest.csv"
    write_site_file(new / "site.yaml", SiteFile("new", manifest, new / "state", device="cpu", threads=1))
    code, found = evaluated(run, new)
    told = capsys.readouterr().out
    assert (code, found["cases"], found["patients"], found["quarantined"]) == (0, 80, 40, {})
    assert "80 cases of 40 patients" in told and "nothing was sent" in told and TRAINED not in told

    lines = predictions(run, manifest, tmp_path / "out.csv")
    raw = np.array([float(line["raw_yes"]) for line in lines])
    with manifest.open(newline="", encoding="utf-8") as stream:
        ill = np.array([line["label"] == "yes" for line in csv.DictReader(stream)])
    figures = found["figures"]
    assert figures["auroc"]["value"] == pytest.approx(roc_auc_score(ill, raw), abs=2e-3)
    assert figures["loss"]["value"] == pytest.approx(log_loss(ill, raw), abs=1e-5)
    for figure in figures.values():
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert figures["auroc"]["high"] - figures["auroc"]["low"] > 0.02

    called = np.array([line["predicted"] == "yes" for line in lines])
    at = found["decisions"]["thresholds"]["yes"]
    assert at["sensitivity"]["value"] == pytest.approx(called[ill].mean(), abs=1e-6)
    assert at["specificity"]["cases"] == (~ill).sum()
    decisions = from_json((run.out / "model" / "decisions.json").read_text(encoding="utf-8"))
    sets = decisions.sets(np.log(raw / (1 - raw))[:, None])
    assert found["decisions"]["sets"]["class=yes"]["value"] == pytest.approx(sets[ill, 1].mean(), abs=1 / 40)
    flagged = sum(line["flag"] == "yes" for line in lines)
    assert found["flags"]["flagged"]["value"] == pytest.approx(flagged / 80, abs=1e-6)
    assert found["calibration"]["calibrated"]["yes"]["cases"] == 80


def test_a_site_that_trained_is_told_so_and_what_can_not_be_used_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path, {"time": "days", "event": "died"}, loss="cox")
    north, west = (run.out / "sites" / name for name in ("north", "west"))
    code, found = evaluated(run, north)
    assert code == 0 and TRAINED in found["notes"] and TRAINED in capsys.readouterr().out
    assert set(found["figures"]) == {"c_index", "loss"} and "decisions" not in found
    assert TRAINED not in evaluated(run, west)[1]["notes"], "it was held out"

    bad = tmp_path / "bad"
    bad.mkdir()
    with (west / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        header, *lines = list(csv.reader(stream))
    lines[0][header.index("age")] = "old"
    with (bad / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *lines])
    write_site_file(bad / "site.yaml", SiteFile("bad", bad / "manifest.csv", bad / "state", device="cpu", threads=1))
    code, found = evaluated(run, bad)
    assert (code, found["cases"], found["quarantined"]) == (1, 79, {"bad-value": 1})
    assert "can't be used: bad-value 1" in capsys.readouterr().out

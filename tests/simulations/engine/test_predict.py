"""`fedgraft predict` and `load_model`: their probabilities are those that the run was evaluated with."""

from __future__ import annotations

import csv
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import from_json
from fedgraft.common.cli import main
from fedgraft.common.decisions import decisions as decided

Rows = list[dict[str, str]]
SMALL: dict[str, Any] = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "sites": 2, "cases": 24, "size": 64, "val_fraction": 0.3},
    "rounds": 1,
    "train__epochs": 1,
    "loss__weights": "none",
    "engine__threads": 1,
    "engine__workers": 0,
}

VIEWS: dict[str, Any] = {"augment__views": 3, "augment__average": True, "augment__rotate": 20}


def run_of(folder: Path, **options: object) -> fg.Run:
    return fg.simulate(fg.plan(**{**SMALL, **options}), folder, quiet=True)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.fixture(scope="module")
def run(own_cache: object, tmp_path_factory: pytest.TempPathFactory) -> fg.Run:
    return run_of(tmp_path_factory.mktemp("run"), **VIEWS)


def rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def predict(model: Path, manifest: Path, out: Path, *options: str) -> int:
    return main(["predict", str(model), "--manifest", str(manifest), "--out", str(out), *options])


def own(run: fg.Run, site: str) -> Rows:
    """What a site wrote down of its last evaluation."""
    return rows(run.out / "sites" / site / "state" / "predictions.csv")


def by_name(run: fg.Run, site: str, found: Rows) -> dict[str, dict[str, str]]:
    """Lines of predictions by the names that the site gives its cases."""
    folder = run.out / "sites" / site
    names, cases = Pseudonyms(folder / "state"), read_manifest(folder / "manifest.csv")
    return {names.name(cases[int(line["line"]) - 2]): line for line in found}


def test_what_a_site_wrote_down_gives_the_figures_of_the_summary(run: fg.Run) -> None:
    for site, told in run.summary["sites"].items():
        path = run.out / "sites" / site / "state" / "predictions.csv"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = [line for line in own(run, site) if line["split"] == "test"]
        scores = np.array([float(line["log_odds_lesion"]) for line in lines])
        ill = np.array([line["label"] == "lesion" for line in lines])
        pairs = scores[ill][:, None] - scores[~ill][None]
        auroc = ((pairs > 0) + (pairs == 0) / 2).mean() if pairs.size else None
        assert auroc == (told["auroc"] if auroc is None else pytest.approx(told["auroc"], abs=1e-3))
        right = ((scores > 0) == ill).mean()
        assert right == pytest.approx(told["accuracy"], abs=1e-6)  # summary.json rounds


def test_predictions_are_those_that_the_site_evaluated_over_all_views(run: fg.Run, tmp_path: Path) -> None:
    site = "alder"
    manifest = run.out / "sites" / site / "manifest.csv"
    assert predict(run.out, manifest, tmp_path / "out.csv") == 0
    found = rows(tmp_path / "out.csv")
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600
    columns = ["line", "path", "row", "reason", "raw_clear", "raw_lesion", "calibrated_clear", "calibrated_lesion"]
    assert list(found[0]) == [*columns, "predicted", "set", "flag", "why"]
    assert [line["line"] for line in found] == [str(number) for number in range(2, 26)]
    lines = by_name(run, site, found)
    evaluated = own(run, site)
    assert {line["split"] for line in evaluated} == {"val", "test"} and len(evaluated) > 3
    for line in evaluated:
        probability = 1 / (1 + np.exp(-float(line["log_odds_lesion"])))
        assert float(lines[line["case"]]["raw_lesion"]) == pytest.approx(probability, abs=1e-6)
        assert float(lines[line["case"]]["raw_clear"]) == pytest.approx(1 - probability, abs=1e-6)


def test_one_view_is_another_prediction_and_python_says_what_the_command_says(run: fg.Run, tmp_path: Path) -> None:
    manifest = run.out / "sites" / "alder" / "manifest.csv"
    given = [(line["path"], line["patient"]) for line in rows(manifest)[:6]]
    new = tmp_path / "new.csv"
    new.write_text("path\n" + "\n".join(path for path, _ in given) + "\n", encoding="utf-8")
    model = fg.load_model(run.out / "model")
    paths = [path for path, _ in given]
    found = model.predict(paths)
    one_view = model(model.prepare(paths)).softmax(1)[:, 1]
    assert list(found["case"]) == [0, 1, 2, 3, 4, 5] and list(found["reason"]) == [""] * 6
    assert not np.allclose(found["raw_lesion"], one_view.numpy(), atol=1e-6)
    again = run.model().predict(paths)
    np.testing.assert_array_equal(found["raw_lesion"], again["raw_lesion"])
    predict(run.out / "model", new, tmp_path / "out.csv", "--site", "alder")
    assert len(rows(tmp_path / "out.csv")) == 6


def test_calibrated_probabilities_are_those_of_the_calibration(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibration = from_json((run.out / "model" / "calibration.json").read_text(encoding="utf-8"))
    manifest = run.out / "sites" / "alder" / "manifest.csv"
    for out, options in (("pooled", ()), ("own", ("--site", "alder")), ("rare", ("--prevalence", "0.02"))):
        assert predict(run.out, manifest, tmp_path / f"{out}.csv", *options) == 0
        found = rows(tmp_path / f"{out}.csv")
        raw, after = (np.array([float(x[f"{k}_lesion"]) for x in found]) for k in ("raw", "calibrated"))
        scores = np.log(raw / (1 - raw))[:, None]
        site, prevalence = ("alder" if out == "own" else None), (0.02 if out == "rare" else None)
        np.testing.assert_allclose(after, calibration.probabilities(scores, site, prevalence)[:, 1], atol=1e-6)
    assert "calibration by platt: that of all sites together" in capsys.readouterr().out
    assert predict(run.out, manifest, tmp_path / "x.csv", "--prevalence", "1.5") == 2
    assert "prevalence" in capsys.readouterr().err
    films = [line["path"] for line in rows(manifest)[:3]]
    model = fg.load_model(run.out)
    assert (model.predict(films, 0.02)["calibrated_lesion"] < model.predict(films, 0.5)["calibrated_lesion"]).all()


def test_decisions_are_those_of_the_rules_that_lie_beside_the_model(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = decided.from_json((run.out / "model" / "decisions.json").read_text(encoding="utf-8"))
    manifest = run.out / "sites" / "alder" / "manifest.csv"
    for site, options in ((None, ()), ("alder", ("--site", "alder"))):
        assert predict(run.out, manifest, tmp_path / f"{site}.csv", *options) == 0
        found = rows(tmp_path / f"{site}.csv")
        raw = np.array([float(line["raw_lesion"]) for line in found])
        scores = np.log(raw / (1 - raw))[:, None]
        threshold = decisions.rules(site).thresholds[0]
        assert threshold is not None
        called = np.where(scores[:, 0] >= threshold, "lesion", "clear")
        assert [line["predicted"] for line in found] == called.tolist()
        sets = ["|".join(np.array(["clear", "lesion"])[members].tolist()) for members in decisions.sets(scores, site)]
        assert [line["set"] for line in found] == sets
        assert all(line["flag"] == ("yes" if line["why"] else "no") for line in found)
        assert all(("could be clear or lesion" in line["why"]) == ("|" in line["set"]) for line in found)
        flagged = sum(line["flag"] == "yes" for line in found)
        told = capsys.readouterr().out
        assert f"a person must look at {flagged} of the {len(found)} predicted" in told
        assert f"decided by {'alder' if site else 'the rules of all sites together'}" in told
    python = fg.load_model(run.out, "alder").predict([line["path"] for line in rows(manifest)])
    for column in ("predicted", "set", "flag", "why"):
        assert list(python[column]) == [line[column] for line in found]


def test_cases_that_the_run_called_unlike_its_training_cases_are_flagged(run: fg.Run, tmp_path: Path) -> None:
    seen = 0
    for site, told in run.summary["familiarity"]["sites"].items():
        out = tmp_path / f"{site}.csv"
        predict(run.out, run.out / "sites" / site / "manifest.csv", out)
        lines = by_name(run, site, rows(out))
        for split, counts in told.items():
            cases = [line["case"] for line in own(run, site) if line["split"] == split]
            strange = ["unlike the cases that the model was trained on" in lines[case]["why"] for case in cases]
            assert (len(strange), sum(strange)) == (counts["cases"], counts["flagged"])
            seen += len(strange)
    assert seen > 10


def test_without_a_calibration_its_columns_are_empty(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = run_of(tmp_path, calibration="none")
    manifest = plain.out / "sites" / "alder" / "manifest.csv"
    assert not (plain.out / "model" / "calibration.json").exists()
    assert predict(plain.out, manifest, tmp_path / "out.csv") == 0
    assert "this model has no calibration: raw probabilities are the network's own" in capsys.readouterr().out
    assert {line["calibrated_lesion"] for line in rows(tmp_path / "out.csv")} == {""}
    assert predict(plain.out, manifest, tmp_path / "rare.csv", "--prevalence", "0.02") == 2
    assert "a prevalence has no effect: this model has no calibration" in capsys.readouterr().err


def test_cases_that_can_not_be_used_are_lines_with_the_reason(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = rows(run.out / "sites" / "birch" / "manifest.csv")[0]["path"]
    assert good.endswith(".dcm")
    whole = Path(good).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    shutil.copy(good, tmp_path / "good.dcm")
    (tmp_path / "new.csv").write_text("path\ncut.dcm\ngood.dcm\nnothing.dcm\n", encoding="utf-8")
    assert predict(run.out, tmp_path / "new.csv", tmp_path / "out.csv") == 1
    found = rows(tmp_path / "out.csv")
    assert [(line["line"], line["path"], line["reason"]) for line in found] == [
        ("2", "cut.dcm", "damaged"),
        ("3", "good.dcm", ""),
        ("4", "nothing.dcm", "missing"),
    ]
    assert [line["raw_lesion"] == "" for line in found] == [True, False, True]
    assert [line["why"] == "could not be read" for line in found] == [True, False, True]
    assert (found[0]["predicted"], found[0]["set"], found[0]["flag"]) == ("", "", "yes")
    told = capsys.readouterr().out
    assert "out.csv: 3 cases, 1 predicted; it names their files: keep it at this site" in told
    assert "can't be used, 2: damaged 1, missing 1" in told
    assert {path.name for path in tmp_path.iterdir()} == {"cut.dcm", "good.dcm", "new.csv", "out.csv"}
    (tmp_path / "new.csv").write_text("path\ncut.dcm\n", encoding="utf-8")
    assert predict(run.out, tmp_path / "new.csv", tmp_path / "out.csv", "--force") == 1
    assert [line["reason"] for line in rows(tmp_path / "out.csv")] == ["damaged"]
    assert fg.load_model(run.out).predict([tmp_path / "cut.dcm", good])["reason"].tolist() == ["damaged", ""]


def test_nothing_is_overwritten_and_what_is_wrong_is_said(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, out = tmp_path / "new.csv", tmp_path / "out.csv"
    new.write_text("path\nnothing.dcm\n", encoding="utf-8")
    out.write_text("mine", encoding="utf-8")

    def said(*options: str, model: Path = run.out, to: Path = out) -> str:
        assert predict(model, new, to, *options) == 2
        return capsys.readouterr().err

    assert "exists and is not overwritten; name another file, or add --force" in said()
    assert "--out and --manifest name the same file" in said("--force", to=new)
    assert "is a folder; name a file" in said(to=tmp_path)
    assert "its folder does not exist" in said(to=tmp_path / "no" / "out.csv")
    assert "holds no model" in said("--force", model=tmp_path)
    assert "--site north: the run's sites are alder, birch" in said("--force", "--site", "north")
    shutil.copytree(run.out / "model", tmp_path / "elsewhere" / "model")
    away = tmp_path / "elsewhere" / "model"
    assert "--site north: there is no such site file" in said("--force", "--site", "north", model=away)
    with (away / "plan.yaml").open("a", encoding="utf-8") as stream:
        stream.write(" ")
    assert "plan.yaml is not as it was written" in said("--force", model=away)
    assert out.read_text(encoding="utf-8") == "mine" and new.read_text(encoding="utf-8") == "path\nnothing.dcm\n"
    with pytest.raises(fg.ModelError, match=r"load_model\(..., site='north'\): the run's sites are alder, birch"):
        fg.load_model(run.out, "north")
    with pytest.raises(fg.DataError, match=r"predict: there is no case"):
        fg.load_model(run.out).predict([])


def test_the_same_run_twice_is_the_same_folder_byte_for_byte(run: fg.Run, tmp_path: Path) -> None:
    again = run_of(tmp_path, **VIEWS)
    first, second = (
        {path.name: path.read_bytes() for path in (out / "model").iterdir()} for out in (run.out, again.out)
    )
    assert first == second and len(first) == 8


def test_tensors_are_those_of_the_last_evaluation(run: fg.Run) -> None:
    about = json.loads((run.out / "model" / "about.json").read_text())
    for site in ("alder", "birch"):
        lines = (run.out / "sites" / site / "state" / "models.jsonl").read_text().splitlines()
        assert json.loads(lines[-1]) == {"plan": about["plan_digest"], "run": 1, "shared": about["shared_digest"]}
    assert tasks.of(run.plan.data).scored == ("lesion",)
    assert torch.get_num_threads() == 1

"""Predictions of rows of a table, of survival, and of models of which a part stays at the sites."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fedgraft as fg
from fedgraft.client.cohort.inputs import CaseView
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.prediction.loading import Call, load
from fedgraft.client.prediction.new_cases import read_new_cases
from fedgraft.client.prediction.predicting import Desk, inputs_of, predict_cases
from fedgraft.client.site.machine import choose
from fedgraft.common.cli import main
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.plan.types import OURS

pytestmark = pytest.mark.usefixtures("own_cache")

Rows = list[dict[str, str]]
RNG = np.random.default_rng(0)
AGE, SEX = RNG.normal(60, 10, 160).round(), RNG.choice(["f", "m"], 160)
RISK = (AGE - 60) / 10 + (SEX == "m") + RNG.normal(0, 1, 160)
FRAME: dict[str, Any] = {
    "age": AGE,
    "sex": SEX,
    "hospital": np.repeat(["north", "south"], 80),
    "ill": np.where(RISK > 0.5, "yes", "no"),
    "days": np.exp(5 - RISK + RNG.normal(0, 0.3, 160)).round(2),
    "died": (RNG.random(160) < 0.6).astype(int),
}
TABLE = {"numeric": ["age"], "categorical": ["sex"], "site": "hospital"}
IMAGES: dict[str, Any] = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "data": {"image_size": 32, "sites": 2, "cases": 40, "size": 64},
    "rounds": 1,
    "train__epochs": 1,
    "engine__threads": 1,
    "engine__workers": 0,
}


def images(folder: Path, **options: object) -> fg.Run:
    return fg.simulate(fg.plan(**{**IMAGES, **options}), folder / "run", quiet=True)


def table(folder: Path, columns: dict[str, str], **options: object) -> fg.Run:
    source = fg.Source.from_frame(FRAME, **TABLE, **columns, folder=folder / "frames")
    plan = fg.plan("backbone=mlp", source=source, rounds=2, engine__threads=1, **options)
    return fg.simulate(plan, folder / "run", quiet=True)


def rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def predict(model: Path, manifest: Path, out: Path, *options: str) -> int:
    return main(["predict", str(model), "--manifest", str(manifest), "--out", str(out), *options])


def paired(run: fg.Run, site: str, found: Rows, theirs: str, ours: Callable[[dict[str, str]], float]) -> int:
    """Compare predictions with what the site wrote down of its last evaluation; returns the number of cases."""
    folder = run.out / "sites" / site
    names, cases = Pseudonyms(folder / "state"), read_manifest(folder / "manifest.csv")
    by_name = {names.name(cases[int(line["line"]) - 2]): line for line in found}
    evaluated = rows(folder / "state" / "predictions.csv")
    for line in evaluated:
        assert ours(by_name[line["case"]]) == pytest.approx(float(line[theirs]), abs=1e-5)
    return len(evaluated)


def log_odds(of: str) -> Callable[[dict[str, str]], float]:
    def ours(line: dict[str, str]) -> float:
        share = float(line[f"raw_{of}"])
        return float(np.log(share / (1 - share)))

    return ours


def test_rows_of_a_table_with_labels_or_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = table(tmp_path, {"label": "ill"})
    assert predict(run.out, run.out / "sites" / "north" / "manifest.csv", tmp_path / "out.csv") == 0
    assert paired(run, "north", rows(tmp_path / "out.csv"), "log_odds_yes", log_odds("yes")) > 10
    new = tmp_path / "new.csv"
    new.write_text(f"sex,age\n{SEX[0]},{AGE[0]:g}\nf,old\nm,1e9\n", encoding="utf-8")
    assert predict(run.out, new, tmp_path / "new-out.csv") == 1
    found = rows(tmp_path / "new-out.csv")
    assert [line["reason"] for line in found] == ["", "bad-value", ""]
    assert "age is far outside what the hospitals' tables had" in found[2]["why"] and "far" not in found[0]["why"]
    assert ", a value far outside what the hospitals' tables had 1," in capsys.readouterr().out
    card = (run.out / "model" / "README.md").read_text(encoding="utf-8")
    assert "more than 10 deviations from the mean of all hospitals' tables is flagged" in card
    rest = [one for one in run.ledger.to_dict("records") if one["what"] not in ("train", "prepare")]
    down, up = (float(f"{sum(one[way] for one in rest) / 2:.2g}") for way in ("bytes_down", "bytes_up"))
    assert f"and for statistics and evaluations about {down:,.0f} down, {up:,.0f} up." in card and down > 0
    model = fg.load_model(run.out)
    one = model.predict([{"age": AGE[0], "sex": SEX[0]}])
    assert one["raw_yes"][0] == pytest.approx(float(found[0]["raw_yes"]), abs=1e-7)
    new.write_text("sex\nf\n", encoding="utf-8")
    assert predict(run.out, new, tmp_path / "x.csv") == 2
    assert "neither the manifest nor the table that it names has the column(s) age" in capsys.readouterr().err


def test_survival_gives_the_log_hazard(tmp_path: Path) -> None:
    run = table(tmp_path, {"time": "days", "event": "died"}, loss="cox")
    assert predict(run.out, run.out / "sites" / "south" / "manifest.csv", tmp_path / "out.csv") == 0
    found = rows(tmp_path / "out.csv")
    assert list(found[0])[:5] == ["line", "path", "row", "reason", "log_hazard"]
    assert paired(run, "south", found, "log_hazard", lambda line: float(line["log_hazard"])) > 10
    own = rows(run.out / "sites" / "south" / "state" / "predictions.csv")
    assert list(own[0]) == ["split", "case", "time", "event", "log_hazard"]


def test_a_hospital_that_took_no_part_scales_features_by_its_own_cases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The moments of the site's training cases are kept there; those of the same cases given anew are the same."""
    run = images(tmp_path, features__scale="own")
    folder = run.out / "sites" / "alder"
    assert predict(run.out, folder / "manifest.csv", tmp_path / "kept.csv", "--site", str(folder / "site.yaml")) == 0
    assert "were scaled" not in capsys.readouterr().out
    assert paired(run, "alder", rows(tmp_path / "kept.csv"), "log_odds_lesion", log_odds("lesion")) > 3
    away = tmp_path / "away"
    shutil.copytree(run.out / "model", away)
    assert predict(away, folder / "manifest.csv", tmp_path / "given.csv") == 0
    told = capsys.readouterr().out
    assert "features were scaled by the moments of these 40 cases (features.scale=own), since no site's state" in told
    kept, given = ([float(line["raw_lesion"]) for line in rows(tmp_path / f"{name}.csv")] for name in ("kept", "given"))
    assert kept != given and np.corrcoef(kept, given)[0, 1] > 0.9
    few = tmp_path / "few.csv"
    paths = [line["path"] for line in rows(folder / "manifest.csv")[:29]]
    few.write_text("path\n" + "\n".join(paths) + "\n", encoding="utf-8")
    assert predict(away, few, tmp_path / "few-out.csv") == 2
    assert "moments of 29 case(s) are too uncertain: give 30 or more" in capsys.readouterr().err
    with pytest.raises(fg.ModelError, match=r"features.scale=own: this model scales features by moments of all cases"):
        fg.load_model(away)(fg.load_model(away).prepare(paths[:1]))


def test_what_needs_labels_is_not_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = images(tmp_path, features__scale="own_balanced")
    manifest = run.out / "sites" / "birch" / "manifest.csv"
    assert predict(run.out, manifest, tmp_path / "out.csv") == 2
    assert "needs the labels of its training cases for that; name a site that trained it: --site" in (
        capsys.readouterr().err
    )
    assert predict(run.out, manifest, tmp_path / "out.csv", "--site", "birch") == 0
    assert paired(run, "birch", rows(tmp_path / "out.csv"), "log_odds_lesion", log_odds("lesion")) > 3


@pytest.mark.parametrize("own", [{"personal": "fedper", "adaptation": "ssf"}, {"personal": "intercept"}])
def test_a_head_or_an_intercept_that_stays_at_the_sites_comes_from_the_site_s_state(
    tmp_path: Path, own: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run = images(tmp_path, **own)
    manifest = run.out / "sites" / "alder" / "manifest.csv"
    assert predict(run.out, manifest, tmp_path / "out.csv") == 2
    told = capsys.readouterr().err
    assert "a part of this model (layers, a head) stays at the sites; name a site that trained it: --site" in told
    assert "(of this simulation: alder, birch)" in told
    for site in ("alder", "birch"):
        assert predict(run.out, manifest, tmp_path / f"{site}.csv", "--site", site) == 0
    assert paired(run, "alder", rows(tmp_path / "alder.csv"), "log_odds_lesion", log_odds("lesion")) > 3
    assert (tmp_path / "alder.csv").read_bytes() != (tmp_path / "birch.csv").read_bytes()
    with pytest.raises(fg.ModelError, match=r"name it: load_model\(..., site=...\) with one of alder, birch"):
        fg.load_model(run.out)
    stranger = tmp_path / "stranger.yaml"
    stranger.write_text("name: north\nmanifest: new.csv\nstate: state\n", encoding="utf-8")
    assert predict(run.out, manifest, tmp_path / "out.csv", "--site", str(stranger)) == 2
    assert "north keeps nothing of this model in" in capsys.readouterr().err


def test_the_state_of_several_runs_of_a_plan_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = images(tmp_path, personal="intercept")
    state = run.out / "sites" / "alder" / "state"
    (first,) = (state / "local").glob("*.safetensors")
    shutil.copy(first, first.with_name(first.name.replace("-1.", "-77.")))
    manifest = run.out / "sites" / "alder" / "manifest.csv"
    assert predict(run.out, manifest, tmp_path / "out.csv", "--site", "alder") == 0
    (state / "models.jsonl").unlink()
    assert predict(run.out, manifest, tmp_path / "again.csv", "--site", "alder") == 2
    assert "keeps its own part of 2 runs of this plan, and the site evaluated this model in none" in (
        capsys.readouterr().err
    )


def test_explanations_are_private_pictures_named_by_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = table(tmp_path, {"label": "ill"})
    new, folder = tmp_path / "new.csv", tmp_path / "why"
    new.write_text("sex,age\nf,50\nf,old\nm,71\n", encoding="utf-8")
    assert predict(run.out, new, tmp_path / "out.csv", "--explain", str(folder)) == 1
    pictures = sorted(folder.iterdir())
    assert [path.name for path in pictures] == ["line-00002.png", "line-00004.png"]
    assert [path.stat().st_mode & 0o777 for path in (folder, *pictures)] == [0o700, 0o600, 0o600]
    assert f"wrote 2 picture(s) to {folder}: they show the cases" in capsys.readouterr().out
    assert predict(run.out, new, tmp_path / "again.csv", "--explain", str(folder)) == 2
    assert f"--explain {folder} is not empty; name another folder, or add --force" in capsys.readouterr().err
    assert predict(run.out, new, tmp_path / "again.csv", "--explain", str(new)) == 2
    assert f"--explain {new} is a file; name a folder" in capsys.readouterr().err
    assert predict(run.out, new, tmp_path / "again.csv", "--sr", str(tmp_path / "sr")) == 2
    assert "--sr: a DICOM report refers to DICOM images, and a case of this model is a row" in capsys.readouterr().err
    assert not (tmp_path / "again.csv").exists()


def test_explanations_of_images_are_of_the_network_that_predicted(tmp_path: Path) -> None:
    """Where features are scaled by the cases that are given, the whole network knows that scale, too."""
    run = images(tmp_path, features__scale="own")
    manifest, away = run.out / "sites" / "alder" / "manifest.csv", tmp_path / "away"
    shutil.copytree(run.out / "model", away)
    some = tmp_path / "some.csv"
    some.write_text("".join(manifest.read_text(encoding="utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    why = tmp_path / "why"
    assert predict(run.out, some, tmp_path / "some-out.csv", "--site", "alder", "--explain", str(why)) == 0
    assert [path.read_bytes()[:4] for path in sorted(why.iterdir())] == [b"\x89PNG"] * 2
    machine = choose("cpu", 1)
    loaded = load(open_model(away), Call("x", "y"), None, OURS, machine, scale_from_cases=True)
    cases = read_new_cases(manifest).listed
    found = predict_cases(loaded, cases, Desk(tmp_path / "scratch", workers=0))
    inputs = inputs_of(loaded, Desk(tmp_path / "scratch", workers=0))
    assert not inputs.verdicts(cases[:1]).any()
    ((_, image),) = inputs.batches([CaseView(cases[0])], 1)
    assert loaded.model.network(image).detach().numpy()[0] == pytest.approx(found.outputs[0], abs=1e-4)

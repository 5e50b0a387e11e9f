"""A federation with a few broken files: the run goes on, reasons are counted, and nothing names a file or a patient."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.cli import main
from fedgraft.simulations.datasets.phantom.phantom import phantom

SIZE = {"sites": 2, "cases": 24, "size": 64}
SMALL = [
    *("backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "data.image_size=32"),
    *(f"data.{name}={value}" for name, value in SIZE.items()),
    *("loss.weights=local", "rounds=1", "train.epochs=1", "engine.threads=1", "hydra.run.dir=run"),
]
BROKEN = {"damaged": 2, "not-dicom": 1, "missing": 1, "blank": 1, "burned-in": 1}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def films(tmp_path: Path) -> tuple[Case, ...]:
    """Those of two hospitals, 24 each; six of alder's are broken."""
    found = phantom(cache=tmp_path / "cache", seed=0, **SIZE).cases
    alder = [Path(case.path) for case in found if "/alder/" in case.path]
    for path in alder[:2]:
        path.write_bytes(path.read_bytes()[:-100])
    alder[2].write_bytes(b"nothing")
    alder[3].unlink()
    for path, change in ((alder[4], "blank"), (alder[5], "burned-in")):
        film = pydicom.dcmread(path)
        if change == "blank":
            film.PixelData = np.full_like(film.pixel_array, 7).tobytes()
        else:
            film.BurnedInAnnotation = "YES"
        film.save_as(path)
    return found


def run(*overrides: str) -> int:
    return main(["simulate", *SMALL, *overrides])


def test_the_run_goes_on_and_says_how_many_cases_were_left_out_and_why(
    films: tuple[Case, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    told = capsys.readouterr()
    assert "alder can't use 6 case(s): damaged 2, not-dicom 1, missing 1, blank 1, burned-in 1" in told.out
    assert "birch can't use" not in told.out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["dropped"] == []
    assert {name: site["quarantined"] for name, site in summary["sites"].items()} == {"alder": BROKEN, "birch": {}}
    assert summary["sites"]["alder"]["examples"] < summary["sites"]["birch"]["examples"] < 24
    lines = (tmp_path / "run" / "sites" / "alder" / "state" / "quarantine.jsonl").read_text().splitlines()
    assert len(lines) == 6
    assert not (tmp_path / "run" / "sites" / "birch" / "state" / "quarantine.jsonl").exists()


def test_nothing_but_the_sites_manifests_names_a_file_or_a_patient(
    films: tuple[Case, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    names = {word for case in films for word in (Path(case.path).name, Path(case.path).stem, case.patient)}
    assert run() == 0
    manifests = set((tmp_path / "run" / "sites").glob("*/manifest.csv"))
    assert len(manifests) == 2
    assert {case.patient for file in manifests for case in read_manifest(file)} <= names
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path not in manifests]
    files += [path for path in (tmp_path / "cache" / "store").rglob("*") if path.is_file()]
    assert len(files) > 12
    told = capsys.readouterr()
    texts = [path.read_bytes() for path in files] + [text.encode() for text in (told.out, told.err, caplog.text)]
    assert not [name for name in names for text in texts if name.encode() in text]
    assert not [name for name in names for path in files if name in str(path)]


def test_the_counts_stay_where_the_plan_does_not_ask_for_them(
    films: tuple[Case, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("release.quarantine=false") == 0
    assert "can't use" not in capsys.readouterr().out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert all(site["quarantined"] == {} for site in summary["sites"].values())
    logs = [log.read_text() for log in (tmp_path / "run" / "sites").glob("*/state/released.jsonl")]
    assert len(logs) == 2 and all('"quarantined": {}' in log for log in logs)
    assert (tmp_path / "run" / "sites" / "alder" / "state" / "quarantine.jsonl").exists(), "it stays at the site"


def test_a_file_that_is_mended_comes_back(films: tuple[Case, ...], tmp_path: Path) -> None:
    assert run() == 0
    before = json.loads((tmp_path / "run" / "summary.json").read_text())["sites"]["alder"]
    (marked,) = [path for path in _alder(films) if path.name == "film-0006.dcm"]
    film = pydicom.dcmread(marked)
    film.BurnedInAnnotation = "NO"
    film.save_as(marked)
    assert run() == 0
    after = json.loads((tmp_path / "run" / "summary.json").read_text())["sites"]["alder"]
    assert after["quarantined"] == {reason: count for reason, count in BROKEN.items() if reason != "burned-in"}
    assert after["examples"] - before["examples"] in (0, 1)


def _alder(films: tuple[Case, ...]) -> list[Path]:
    return [Path(case.path) for case in films if "/alder/" in case.path]


def test_a_site_of_which_nothing_can_be_used_is_dropped_and_says_why(
    films: tuple[Case, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in _alder(films):
        path.write_bytes(b"nothing")
    assert run("patience.quorum_sites=1") == 0
    told = capsys.readouterr().out.replace("\n", " ")
    assert "can't be used: not-dicom 24" in told
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(summary["sites"]) == ["birch"]
    assert "data-unusable" in summary["dropped"][0]["reason"]

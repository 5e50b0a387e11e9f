"""docs/own-data.md: its commands run as they stand, on a list of images, a table, and folders of hospitals."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fedgraft.common.cli import main
from fedgraft.common.plan.plan import load_plan

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(block.replace("\\\n", "")) for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)]
SMALL = ("backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "data.image_size=32")
LIGHT = ("rounds=1", "engine.threads=1", "engine.workers=0", "hydra.run.dir=run")
HOSPITALS = ("north", "south", "west")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def columns_of(first: str) -> str:
    """The first line of the page's list whose first column that is."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"{first},"))


def films(folder: Path, cases: int = 90) -> Path:
    """PNG files with a bright square (malignant) or without."""
    rng = np.random.default_rng(0)
    (folder / "films").mkdir(parents=True)
    lines = [columns_of("image")]
    for number in range(cases):
        ill = number % 5 < 2
        pixels = rng.integers(0, 120, (32, 32))
        pixels[8:16, 8:16] += 100 * ill
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "films" / f"{number}.png")
        name = "malignant" if ill else "benign"
        lines.append(f"films/{number}.png,{name},p{number},{HOSPITALS[number % 3]},F")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "cases.csv"


def table(folder: Path, cases: int = 90) -> Path:
    rng = np.random.default_rng(0)
    lines = [columns_of("patient")]
    for number in range(cases):
        age, pain = rng.integers(40, 80), ("typical", "none", "atypical")[number % 3]
        pressure = "" if number % 10 == 0 else str(rng.integers(90, 180))
        label = "ill" if age > 55 else "well"
        lines.append(f"p{number},{HOSPITALS[number % 3]},{label},{age},{pressure},{pain}")
    (folder / "patients.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "patients.csv"


def run(words: list[str], *more: str) -> None:
    assert words[:2] == ["fedgraft", "simulate"]
    assert main([*words[1:], *LIGHT, *more]) == 0


def test_the_page_has_three_commands() -> None:
    assert [words[2] for words in COMMANDS] == ["data=manifest", "data=manifest", "data=folders"]


def test_a_list_of_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films(folder)
    run(COMMANDS[0], *SMALL)
    said = " ".join(capsys.readouterr().out.split())
    assert "classes found in the labels: benign (54), malignant (36); malignant is the positive class" in said
    plan = load_plan(folder / "run" / "plan.yaml")
    assert plan.data.classes == ("benign", "malignant")
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert sorted(summary["sites"]) == list(HOSPITALS)
    assert summary["test"]["auroc"] is not None


@pytest.mark.parametrize(
    ("small", "expected"),
    [
        (
            HOSPITALS,
            "no test figure of any hospital (north, south, west; 42 training cases): nothing is known of how good",
        ),
        (
            ("west",),
            "no test figure of 1 of 3 hospitals (west; 14 training cases): nothing is known there. An",
        ),
    ],
)
def test_hospitals_that_are_too_small_to_tell_a_figure_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str], small: tuple[str, ...], expected: str
) -> None:
    """Of 20 cases a fifth is tested: fewer than the five of which an evaluation may leave."""
    head, *lines = films(folder).read_text().splitlines()
    kept = [line for place, line in enumerate(lines) if place < 60 or not any(f",{name}," in line for name in small)]
    (folder / "cases.csv").write_text("\n".join([head, *kept]) + "\n")
    run(COMMANDS[0], *SMALL)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(expected) == 1
    assert "release.min_count (5 by default) never leaves it, nor one that it or the plan forbids" in said
    assert "more cases, or a larger data.test_fraction" in said
    summary = json.loads(Path("run/summary.json").read_text())
    assert [name for name, site in summary["sites"].items() if not site["cases"]] == [*small]
    assert sum(one.startswith(expected) for one in summary["warnings"]) == 1
    for file in ("run/report.html", "run/model-card.md"):
        assert expected in html.unescape(Path(file).read_text())


def test_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(folder)
    run(COMMANDS[1])
    said = " ".join(capsys.readouterr().out.split())
    taken = "backbone=identity head=plain train=sgd_table strategy=fedadam"
    assert f"the cases are rows of a table: {taken}" in said
    plan = yaml.safe_load((folder / "run" / "plan.yaml").read_text())
    assert plan["table"]["numeric"] == ["age", "pressure"]
    assert plan["table"]["vocabulary"] == {"pain": ["atypical", "none", "typical"]}


def test_a_table_without_its_columns_suggests_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(folder)
    assert main(COMMANDS[1][1:-2]) == 2
    suggested = "for instance table.numeric=[age,pressure] table.categorical=[pain]"
    assert suggested in " ".join(capsys.readouterr().err.split())


def test_folders_of_hospitals(folder: Path, table_sites: Callable[..., list[Path]]) -> None:
    table_sites(3, 40)
    run(COMMANDS[2], "table.numeric=[age]", "table.categorical=[sex]", "table.missing=['?']", "table.min_count=5")
    assert sorted(json.loads((folder / "run" / "summary.json").read_text())["sites"]) == ["site-0", "site-1", "site-2"]


def test_the_sites_of_an_earlier_run_are_such_folders(folder: Path) -> None:
    """And give the same model again: patients keep their names, and so their splits."""
    films(folder)
    run(COMMANDS[0], *SMALL)
    shutil.move(folder / "run", folder / "earlier")
    run(["fedgraft", "simulate", "data=folders", "data.path=earlier/sites"], *SMALL)
    first, second = (json.loads((folder / name / "summary.json").read_text()) for name in ("earlier", "run"))
    assert first["test"] == second["test"]
    assert {name: site["cases"] for name, site in first["sites"].items()} == {
        name: site["cases"] for name, site in second["sites"].items()
    }


def test_a_file_that_is_not_there_is_left_out_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films(folder)
    (folder / "films" / "7.png").unlink()
    run(COMMANDS[0], *SMALL)
    assert "south can't use 1 case(s): missing 1" in capsys.readouterr().out


def test_twelve_bits_in_sixteen_are_said_and_can_be_stated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3,360 of 65,535 is the most: 12 bits; with the column nothing is said any more."""
    films(folder)
    for file in (folder / "films").iterdir():
        Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16) * 16).save(file)
    run(COMMANDS[0], *SMALL)
    told = " ".join(capsys.readouterr().out.split())
    assert "north: 30 pictures of 16 bits use only" in told
    assert "west: 30 pictures of 16 bits use only" in told
    assert "if they hold 12 bits, say so in the manifest: a column `bits_stored` with 12" in told
    warnings = json.loads(Path("run/summary.json").read_text())["warnings"]
    assert sum("nearly black to the network" in one for one in warnings) == 3
    run(COMMANDS[0], *SMALL, "baselines=[pooled]", "hydra.run.dir=study")
    warnings = json.loads(Path("study/study.json").read_text())["warnings"]
    assert sum("nearly black to the network" in one for one in warnings) == 3
    assert "Warning: north: 30 pictures of 16 bits" in " ".join(capsys.readouterr().out.split())
    listed = (folder / "cases.csv").read_text().splitlines()
    listed = [f"{listed[0]},bits_stored", *(f"{line},12" for line in listed[1:])]
    (folder / "cases.csv").write_text("\n".join(listed) + "\n")
    run(COMMANDS[0], *SMALL)
    assert "grey levels" not in capsys.readouterr().out + Path("run/report.html").read_text()


def test_dicom_and_arrays_alike(folder: Path) -> None:
    """Half of the cases are rows of an array, the others files."""
    manifest = films(folder)
    rng = np.random.default_rng(1)
    np.savez(folder / "more.npz", scans=rng.integers(0, 255, (30, 32, 32)).astype(np.uint8))
    lines = manifest.read_text().splitlines()
    rows = [f"{line}," for line in lines[1:31]]
    rows += [
        f"more.npz::scans,{'malignant' if number % 2 else 'benign'},q{number},{HOSPITALS[number % 3]},M,{number}"
        for number in range(30)
    ]
    manifest.write_text("\n".join([f"{lines[0]},row", *rows]) + "\n")
    run(COMMANDS[0], *SMALL)
    assert json.loads((folder / "run" / "summary.json").read_text())["sites"]["west"]["quarantined"] == {}

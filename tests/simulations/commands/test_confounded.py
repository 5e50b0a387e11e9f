"""A hospital of one class and a column that gives the label away are named by check, run and study."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgraft.client.check.check import check_site
from fedgraft.client.check.request import CheckRequest
from fedgraft.common.cli import main

Real = Callable[[str], Path]
SMALL = ("backbone=timm", "backbone.name=test_efficientnet", "backbone.pretrained=false", "data.image_size=32")
LIGHT = ("engine.threads=1", "engine.workers=0", "hydra.run.dir=run")
IMAGES = ("data=manifest", "data.path=cases.csv", "data.site=hospital", "data.file=path", "data.label=label")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    with Path("cases.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def films(root: Path, wanted: Mapping[tuple[str, str, str], int]) -> None:
    """So many real chest films of each (hospital, label, view), of different patients."""
    with (root / "nih_cxr1000" / "labels.csv").open(newline="", encoding="utf-8") as stream:
        lines = list({line["patient_id"]: line for line in csv.DictReader(stream)}.values())
    rows: list[dict[str, str]] = []
    for (hospital, label, view), count in wanted.items():
        some = [line for line in lines if (line["label"], line["view"]) == (label, view)][:count]
        lines = [line for line in lines if line not in some]
        rows += [
            {
                "path": str(root / "nih_cxr1000" / line["path"]),
                "label": label,
                "patient": line["patient_id"],
                "hospital": hospital,
                "view": view,
            }
            for line in some
        ]
    write(rows)


def summary() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("run/summary.json").read_text(encoding="utf-8"))
    return found


def checked(site: str) -> dict[str, str]:
    sections = check_site(Path(f"run/sites/{site}/site.yaml"), CheckRequest(plan=Path("run/plan.yaml")))
    return {one.what: one.text for section in sections for one in section.findings if one.grade == "warning"}


def test_a_hospital_of_sick_patients_and_the_view_are_named_by_check_run_and_page(
    real: Real, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the mixed hospital every film of a sick patient is taken lying (AP), and every other standing (PA)."""
    films(
        real("nih_cxr1000"),
        {
            ("mixed", "pneumonia", "AP"): 20,
            ("mixed", "no_finding", "PA"): 30,
            ("sick", "pneumonia", "AP"): 30,
        },
    )
    assert main(["simulate", *IMAGES, *SMALL, *LIGHT, "rounds=1", "data.test_fraction=0.4", "data.val_fraction=0"]) == 0
    found, printed = summary(), capsys.readouterr().out
    one_class, alone, headline, column = found["warnings"][:3] + found["warnings"][-1:]
    assert one_class.startswith("sick has cases of one class only (pneumonia)")
    assert "AUROC would be" in alone and "sick 100%" in alone and "within sites" in headline
    assert column.startswith("the column `view` alone tells pneumonia with an AUROC of 1.000")
    assert found["confounding"]["headline"] == "within_site" and found["confounding"]["one_class"] == {
        "sick": "pneumonia"
    }
    assert found["worst_site"]["name"] == "mixed" and found["intervals"]["sites"]["sick"]["few"]
    assert all(f"warning: {one}" in printed for one in found["warnings"])
    assert "all sites together" in printed and "prev. pneumonia" in printed and "pooled" not in printed
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "sick has cases of one class only" in page and "alone tells pneumonia" in page
    assert "view alone" in checked("mixed")["label given away"] and "1.000" in checked("mixed")["label given away"]
    assert checked("sick")["train"] == "all training cases are of one class, pneumonia"


def patients(leak: bool) -> list[dict[str, Any]]:
    """Age tells something; the ward is where the ill are taken."""
    rng, rows = np.random.default_rng(0), []
    for number in range(160):
        age = int(rng.integers(40, 80))
        ill = age + rng.normal(0, 15) > 60
        ward = "intensive" if ill and leak else rng.choice(["east", "west"])
        row = {
            "patient": f"p{number}",
            "hospital": ["north", "south"][number % 2],
            "label": "ill" if ill else "well",
        }
        rows.append({**row, "age": age, "ward": ward})
    return rows


TABLE = ("data=manifest", "data.path=cases.csv", "data.site=hospital", "data.label=label", "data.patient=patient")
COLUMNS = ("table.numeric=[age]", "table.categorical=[ward]", "data.classes=[well,ill]", "table.min_count=2")


@pytest.mark.parametrize("leak", [True, False])
def test_a_column_of_a_table_that_gives_the_label_away(leak: bool, capsys: pytest.CaptureFixture[str]) -> None:
    write(patients(leak))
    assert main(["simulate", *TABLE, *COLUMNS, *LIGHT, "rounds=2"]) == 0
    named = [one for one in summary()["warnings"] if "column" in one]
    assert len(named) == leak and all("`ward` alone tells ill with an AUROC of 1.000" in one for one in named)
    assert ("label given away" in checked("north")) == leak
    assert summary()["confounding"]["headline"] == "merged" and "one of 0.05 needs about" in capsys.readouterr().out


def test_a_study_repeats_the_warnings_and_judges_by_cases_too() -> None:
    write(patients(True))
    words = ("baselines=[local]", "seeds=[0,1]", "rounds=2", "data.test_fraction=0.3", "margin=0.1")
    assert main(["simulate", *TABLE, *COLUMNS, *LIGHT, *words]) == 0
    found = json.loads(Path("run/study.json").read_text(encoding="utf-8"))
    assert any("`ward` alone tells ill" in one for one in found["warnings"])
    assert found["judged"]["margin"] == 0.1 and found["judged"]["paired"] and found["judged"]["cases"] > 40
    assert found["difference"]["local"]["mean_over_sites"]["cases_deviation"] is not None
    text = Path("run/study.md").read_text(encoding="utf-8")
    assert "Warning: the column `ward` alone" in text and "two methods are compared on the same cases (DeLong)" in text


def test_a_margin_without_a_verdict_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write(patients(False))
    assert main(["simulate", *TABLE, *COLUMNS, *LIGHT, "baselines=[pooled]", "margin=0.05"]) == 2
    assert "margin=0.05 has no effect: only baselines=[local] gives a verdict, and only" in capsys.readouterr().err

"""Subgroups on the page and in the card: figures are summary.json's, and gaps are said in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.charts import Axis
from fedgraft.common.drawing.forest import Group, forest
from fedgraft.common.drawing.markup import Html, words
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.page.subgroups import gap_sentences, subgroups
from fedgraft.server.reports.page.warnings import every_warning

Made = Callable[..., Path]
HOSTILE = "<b>other</b>"
NO_FIGURES: dict[str, Any] = {"auroc": None, "intercept": None}


def share(value: float, cases: int) -> dict[str, Any]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "cases": cases}


def group(name: str, auroc: list[float] | None, positives: int) -> dict[str, Any]:
    figures = {"auroc": auroc, "intercept": [0.5, -0.25, 1.25]}
    shares = {"sensitivity": share(0.7, positives), "specificity": share(0.8, 60)}
    return {"cases": 60 + positives, "prevalence": 0.25, "auroc": 0.7, "classes": {name: {**figures, **shares}}}


def with_subgroups(folder: Path, more: bool) -> Path:
    """A run's folder with subgroups of two columns; ``more``: its gap in sensitivity is more than chance."""
    path = folder / "summary.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    (name,) = found["decisions"]["thresholds"]
    gaps = {
        "auroc": {"gap": 0.123, "worst": HOSTILE, "p": 0.04, "more_than_chance": False},
        "sensitivity": {"gap": 0.25, "worst": "F", "p": 0.0001, "more_than_chance": more},
        "calibration": None,
    }
    sex = {"F": group(name, [0.81, 0.71, 0.9], 20), HOSTILE: group(name, [0.6871, 0.5, 0.8], 3)}
    sex["one-sided"] = {**group(name, None, 0), "classes": {name: NO_FIGURES}}
    ages = ("60 and above", "40 to below 60", "unknown", "below 40")
    age = {one: group(name, [0.8, 0.7, 0.9], 20) for one in ages}
    found["subgroups"] = {
        "sex": {"groups": sex, "sites": {"alder": sex, "birch": sex}, "gaps": {name: gaps}, "without": ["few"]},
        "age": {"groups": age, "sites": {"alder": age}, "gaps": {name: {}}, "without": []},
        "view": {"groups": {}, "sites": {}, "gaps": {name: {}}, "without": ["alder", "birch"]},
    }
    path.write_text(json.dumps(found), encoding="utf-8")
    return folder


def test_figures_gaps_and_silent_sites_are_told(run_folder: Made) -> None:
    run = read_run(with_subgroups(run_folder("audit.columns=[sex,{age:[40,60]},view]"), more=False))
    html = subgroups(run)
    told = words(Html(html.replace("<td", " <td")))
    assert (
        "AUROC differs by 0.12 between groups of sex (lowest: <b>other</b>): no more than chance among so many" in told
    )
    assert "Sensitivity at the chosen threshold differs by 25 percentage points between groups of sex" in told
    assert "Calibration (the intercept): fewer than two groups of sex have a figure to compare." in told
    assert "0.687 0.500 to 0.800" in told and "70 % 60 to 80" in told and "0.50 -0.25 to 1.25" in told
    assert "Told nothing by sex: few" in told and "No hospital told figures by view." in told
    assert "<b>" not in html and "Undefined, too few cases of a side: one-sided" in told
    assert '<tr class="worst">' in html and "the lowest, too few to say" in told
    ordered = [html.index(f"<bdi>{name}</bdi>") for name in ("below 40", "40 to below 60", "60 and above", "unknown")]
    assert ordered == sorted(ordered)


def test_a_gap_beyond_chance_is_a_warning_of_the_page_and_the_card(run_folder: Made) -> None:
    folder = with_subgroups(run_folder("audit.columns=[sex,{age:[40,60]},view]"), more=True)
    report, markdown, *_ = write_documents(folder)
    said = "It does not serve everyone alike: Sensitivity at the chosen threshold differs by 25 percentage points"
    first, _, rest = report.read_text(encoding="utf-8").partition("<nav")
    assert said in words(Html(first)) and "Subgroups" in rest
    card = markdown.read_text(encoding="utf-8")
    assert said in card and "**14 Fairness.** From the run: Figures by subgroup of sex, age, view" in card
    with_subgroups(folder, more=False)
    assert not any("everyone alike" in str(one) for one in every_warning(read_run(folder)))


def test_a_run_without_an_audit_says_how_to_have_one(run_folder: Made) -> None:
    assert "audit.columns" in subgroups(read_run(run_folder()))
    survival = run_folder("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")
    found = json.loads((survival / "summary.json").read_text(encoding="utf-8"))
    one = {"cases": 9, "prevalence": 0.5, "c_index": 0.625, "classes": {}}
    found["subgroups"] = {"sex": {"groups": {"F": one, "M": one}, "sites": {}, "gaps": {}, "without": []}}
    (survival / "summary.json").write_text(json.dumps(found), encoding="utf-8")
    assert subgroups(read_run(survival)).count(">0.625</td>") == 2


def test_chance_is_told_apart_by_what_the_run_says_not_by_p_alone() -> None:
    def said(p: float, more: bool) -> str:
        gap = {"gap": 0.03, "worst": "F", "p": p, "more_than_chance": more}
        return words(next(gap_sentences("sex", {"auroc": gap}))).partition("F): ")[2]

    assert words(next(gap_sentences("sex", {}))) == "AUROC: fewer than two groups of sex have a figure to compare."
    assert said(0.41, False) == "no more than chance, p = 0.4."
    assert said(0.0123, False) == "no more than chance among so many comparisons, p = 0.012."
    assert said(0.0001, True) == "more than chance, p < 0.001."


def test_a_forest_plot_has_its_lines_where_the_axis_says() -> None:
    groups = [
        Group("F", 0.75, (0.5, 1.0), "F: 0.75"),
        Group("none", None, None, "none"),
        Group("n" * 30, 2.0, None, "n"),
    ]
    drawn = forest("title", None, Axis("AUROC", 0.5, 1.0), groups, 0.6)
    # from 112 to 346 of 360 units; a row is 24 high, from 6 on
    assert '<line x1="112.0" x2="346.0" y1="18.0" y2="18.0" class="line"/>' in drawn
    assert '<circle cx="229.0" cy="18.0" r="4" class="dot"/>' in drawn and 'd="M158.8 6L158.8 54"' in drawn
    assert '<circle cx="346.0" cy="42.0"' in drawn and f">{'n' * 16}…</text>" in drawn and ">none</text>" not in drawn

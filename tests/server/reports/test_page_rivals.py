"""A study's page with differences: no false certainty, and recipes beside each other, in words, plots and tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.drawing.markup import Html, words
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.page.rivals import rivals_lead

HOSTILE = "<script>alert(1)</script>"


def page(folder: Path, found: dict[str, Any]) -> tuple[str, str]:
    """The page that is written from this ``study.json``, and its words."""
    (folder / "study.json").write_text(json.dumps(found), encoding="utf-8")
    text = write_documents(folder)[0].read_text(encoding="utf-8")
    return text, words(Html(re.sub(r"<style>.*?</style>", "", text.replace("</t", " </t"), flags=re.DOTALL)))


def difference(mean: float | None, low: float | None, high: float | None, same: bool = False) -> dict[str, Any]:
    return {"mean": mean, "low": low, "high": high, "values": [], "cases_deviation": None, "same": same, "p": 0.01}


@pytest.fixture
def found(study_folder: Path) -> dict[str, Any]:
    """``ssf`` is better, and ``fedprox`` can't be told apart; the hospital with the hostile name has too few cases."""
    known: dict[str, Any] = json.loads((study_folder / "study.json").read_text(encoding="utf-8"))
    names = {"federated": "fedavg", "ssf": HOSTILE, "fedprox": "a name of more letters than there is room for"}
    for key in ("mean_over_sites", "worst_site", "cost", *(("by_site", site) for site in known["sites"])):
        at = known[key] if isinstance(key, str) else known[key[0]][key[1]]
        at |= dict.fromkeys(names, at["federated"])
    one = {"alder": difference(0.04, 0.02, 0.06), HOSTILE: difference(0.4, -1.0, 2.0)}
    ssf = {"mean_over_sites": difference(0.04, 0.02, 0.06), "by_site": one, "p_holm": 0.0004, "outcome": "better"}
    same = difference(0.0, None, None, same=True)
    equal = {"mean_over_sites": same, "by_site": {"alder": same, HOSTILE: difference(None, None, None)}}
    rivals = {
        "reference": "federated",
        "names": names,
        "difference": {"ssf": ssf, "fedprox": {**equal, "p_holm": None, "outcome": "same"}},
        "validation": {method: {"mean": 0.7, "sd": 0.01, "values": [0.7]} for method in names},
        "chosen": {"method": "ssf"},
        "sentences": ["a sentence for each"],
    }
    few = {"few": [[HOSTILE]], "counted": [["alder"]]}
    return {**known, **few, "methods": [*names, "local"], "rivals": rivals}


def test_a_difference_that_is_the_same_in_all_resamples_is_no_certainty(study_folder: Path) -> None:
    found = json.loads((study_folder / "study.json").read_text(encoding="utf-8"))
    found["difference"]["local"]["by_site"]["alder"] |= {"mean": 0.0, "same": True, "cases_deviation": 0.0}
    _, told = page(study_folder, found)
    assert "+0.000 (equal in all resamples)" in told and "no certainty: too few cases to tell." in told


def test_recipes_are_beside_each_other(found: dict[str, Any], study_folder: Path) -> None:
    text, told = page(study_folder, found)
    assert "<script>" not in text and "a sentence for each" in told
    assert (
        f"Of 2 other recipes, shown to be better than fedavg: {HOSTILE}; of the others, no difference is shown." in told
    )
    assert f"{HOSTILE} chosen by validation" in told and "below 0.001" in told
    assert "+0.040 (+0.020 to +0.060)" in told and "+0.000 (equal with every seed)" in told
    assert f"{HOSTILE} †" in told and "Grey: too few cases (†); what lies beyond the scale is at its end." in told
    assert text.count("no difference to fedavg") == 3 and "a name of more letters than" in text


def test_a_dot_is_right_of_the_line_if_its_recipe_is_better(found: dict[str, Any], study_folder: Path) -> None:
    """The axis ends where the intervals of hospitals with enough cases end: 0 to 0.06, and a little room."""
    text, _ = page(study_folder, found)
    plot = text[text.index("All recipes, mean over hospitals") :]
    line = float(re.findall(r'path d="M([\d.]+)', plot)[0])
    dot, equal = (float(at) for at in re.findall(r'circle cx="([\d.]+)"', plot)[:2])
    low, high = map(float, re.findall(r'line x1="([\d.]+)" x2="([\d.]+)" y1="18.0" y2="18.0" class="line"', plot)[0])
    assert equal == line < low < dot < high < 360
    assert (dot - line) / (high - line) == pytest.approx(0.04 / 0.06, abs=0.01)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["same"], "The other recipe is not shown to be better or worse than fedavg."),
        (["no_difference", "one_seed"], "None of 2 other recipes is shown to be better or worse than fedavg."),
        (["worse"], "Of 1 other recipe, shown to be worse than fedavg: r0."),
        (
            ["better", "worse"],
            "Of 2 other recipes, shown to be better than fedavg: r0; shown to be worse than fedavg: r1.",
        ),
    ],
)
def test_the_page_begins_with_who_is_better(outcomes: list[str], said: str) -> None:
    names = {f"m{place}": f"r{place}" for place in range(len(outcomes))}
    compared = {method: {"outcome": outcome} for method, outcome in zip(names, outcomes, strict=True)}
    rivals = {"reference": "federated", "names": {"federated": "fedavg", **names}, "difference": compared}
    assert rivals_lead({"rivals": rivals}) == said

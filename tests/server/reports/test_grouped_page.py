"""What a page and a card say of hospitals that told scores by groups, and of figures that speak for themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.drawing.groups import group_forest, group_table
from fedgraft.common.drawing.markup import Html, words
from fedgraft.server.reports.card.card import card
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.page.warnings import every_warning

Made = Callable[..., Path]
SMALL = {"north": 24, "south": 26}
FIRST = "in groups of 5 cases or more (release.scores: merged), so that nobody reads a single case's."


def told(folder: Path) -> str:
    text = write_documents(folder)[0].read_text(encoding="utf-8")
    return words(Html(re.sub(r"<style>.*?</style>", "", text.replace("</t", " </t"), flags=re.DOTALL)))


def summary(folder: Path, **changes: Any) -> dict[str, Any]:
    """The summary, with keys replaced."""
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    if changes:
        (folder / "summary.json").write_text(json.dumps({**found, **changes}), encoding="utf-8")
    return found


def test_scores_in_too_few_groups_rank_nothing_on_page_and_card(run_folder: Made) -> None:
    folder = run_folder(only=SMALL, grouped=5)
    shown, found = told(folder), summary(folder)
    assert found["scores"]["too_few"] == {"val": ["north", "south"], "test": ["north", "south"]}
    assert f"Hospitals told scores {FIRST} With fewer than 15 test cases with or without" in shown
    assert "How well it ranks cases (AUROC) is not known, since scores came in too few groups." in shown
    for missing in (
        f"{found['test']['auroc']:.3f}",
        "ROC curve",
        "can't be told from guessing",
        "test cases differ from the",
    ):
        assert missing not in shown
    (name,) = found["decisions"]["thresholds"]
    exact = found["test"]
    assert f"Of 100 {name} cases it finds {100 * exact['sensitivity']:.0f} (" in shown
    assert f"Of 100 other cases it calls {100 - 100 * exact['specificity']:.0f} (" in shown
    assert "No curves: hospitals told scores in too few groups for them (see above)." in shown
    assert "No figures of calibration: hospitals told scores in too few groups" in shown
    assert "No sets of answers: scores came in too few groups to fit them to" in shown
    assert len(re.findall("north ?scores in too few groups 24", shown)) == 1
    assert (found["worst_site"]["name"], "The weakest hospital" in shown) == (None, False)
    content = card(read_run(folder))
    assert content["figures"]["north"]["auroc"] is None and content["figures"]["north"]["blurred"]
    assert content["metadata"]["metrics"] == [] and "model-index" not in content["metadata"]
    assert any(FIRST in one for one in content["summary"])
    text = (folder / "model-card.md").read_text(encoding="utf-8")
    assert "| north | 24 | not given | too few to say |" in text
    assert "AUROC not given (scores in too few groups)." in text
    assert "The threshold is the raw model's, 0.5; no sets of answers." in text


def test_with_groups_enough_figures_stand_with_what_they_lose(run_folder: Made) -> None:
    folder = run_folder(only={"north": 300, "south": 200}, grouped=5)
    shown, found = told(folder), summary(folder)
    assert found["scores"]["too_few"] == {"val": [], "test": []}
    assert f"Hospitals told scores {FIRST} AUROC is therefore a little too low (by up to 0.05 at a" in shown
    assert f"(AUROC {found['test']['auroc']:.3f})" in shown and "The weakest hospital is" in shown


def test_a_small_hospital_among_large_ones_is_marked_alone(run_folder: Made) -> None:
    folder = run_folder(only={"north": 300, "south": 200, "few": 12}, grouped=5)
    shown, found = told(folder), summary(folder)
    assert found["scores"]["too_few"]["test"] == ["few"] and found["scores"]["share"] == round(12 / 512, 6)
    assert "as at few, these groups are too few to rank cases" in shown
    assert f"(AUROC {found['test']['auroc']:.3f})" in shown
    (row,) = re.findall(r"few ?scores in too few groups 12 .*? all together", shown, re.DOTALL)
    assert "not given" in row and f"{found['sites']['few']['auroc']:.3f}" not in row


def test_a_subgroup_in_too_few_groups_is_named_and_has_no_rank() -> None:
    known = {"cases": 80, "prevalence": 0.5, "auroc": [0.9, 0.8, 0.95], "intercept": [0.1, 0.0, 0.2]}
    few = {**known, "auroc": None, "intercept": None, "blurred": True}
    table = words(group_table("sex", None, {"F": few, "M": known}, None))
    assert re.search(r"F ?scores in too few groups ?80 ?50 % ?not given", table)
    assert "0.900" in table and table.count("not given") == 2
    drawn = words(group_forest("sex", None, {"F": few, "M": known}, None, None))
    assert "Not given, scores in too few groups: F" in drawn and "Undefined" not in drawn


def test_the_last_round_in_the_place_of_the_best_is_said(run_folder: Made) -> None:
    folder = run_folder("select=best", only=SMALL, grouped=5)
    shown, found = told(folder), summary(folder)
    assert found["scores"]["chooses"] is False
    assert "the one that did best on validation cases" not in shown
    why = (
        "select=best took the last round's model: validation scores of north, south came in too few groups to choose by"
    )
    assert any(one.startswith(why) for one in found["warnings"])
    text = (folder / "model-card.md").read_text(encoding="utf-8")
    assert "(select=best, but validation scores came in too few groups to choose by: the last)" in text


def test_calibration_that_is_worse_on_scores_in_groups_does_not_blame_the_cases(run_folder: Made) -> None:
    folder = run_folder(only={"north": 300, "south": 200}, grouped=5)
    calibration = summary(folder)["calibration"]
    calibration["pooled"]["after"]["ece"] = calibration["pooled"]["before"]["ece"] + 0.1
    summary(folder, calibration=calibration)
    assert "scores in groups, so that both the fit and this error are coarse; or test cases differ" in told(folder)


def test_a_run_that_was_stopped_has_the_rounds_that_its_model_has(run_folder: Made) -> None:
    shown = told(run_folder("rounds=12", reason="a person ended it"))
    assert "trained together in 2 rounds on 1,324 cases (of 12 that were planned; the run ended after 2)." in shown
    whole = run_folder("rounds=2")
    assert "trained together in 2 rounds on 1,324 cases. The cases" in told(whole)
    summary(whole, final_round=1)
    assert "trained together in 1 round on 1,324 cases. The cases" in told(whole)


def test_the_best_round_is_said_to_be_one_of_all(run_folder: Made) -> None:
    folder = run_folder("rounds=2", "select=best", splits=("val",))
    summary(folder, final_round=1)
    shown = told(folder)
    assert "in 1 round on 1,324 cases (of 2 rounds, the one that did best on validation cases)." in shown
    assert "validation cases, which helped to choose the model." in shown


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("sensitivity", "It finds no {} case at 3 of 4 hospitals: "),
        ("specificity", "It leaves nobody alone without {} "),
    ],
)
def test_what_is_never_found_at_most_hospitals_is_warned_of(run_folder: Made, key: str, said: str) -> None:
    folder = run_folder()
    decisions = summary(folder)["decisions"]
    (name,) = decisions["thresholds"]
    sites = decisions["thresholds"][name]["chosen"]["sites"]

    def warned() -> list[str]:
        lines = [words(Html("".join(map(str, one)))) for one in every_warning(read_run(folder))]
        return [one for one in lines if one.startswith(said.format(name))]

    for site in ("alder", "birch"):
        sites[site][key]["value"] = 0.0
    summary(folder, decisions=decisions)
    assert warned() == []
    sites["few"][key]["value"] = 0.0
    summary(folder, decisions=decisions)
    (line,) = warned()
    assert line.endswith("at 3 of 4 hospitals: alder, birch and few.")


@pytest.mark.parametrize(
    ("counts", "shown"),
    [({"missing": 0}, "few missing: few"), ({"missing": 0, "blank": 3}, "more than 3 missing: few,")],
)
def test_few_cases_that_can_t_be_used_are_few(run_folder: Made, counts: dict[str, int], shown: str) -> None:
    folder = run_folder()
    sites = summary(folder)["sites"]
    sites["alder"]["quarantined"] = counts
    summary(folder, sites=sites)
    assert f"alder {shown}" in " ".join(told(folder).split())

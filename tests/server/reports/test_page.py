"""report.html: its figures are summary.json's, what is undefined is said, and nothing in it loads or runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.causes import reported
from fedgraft.common.drawing.document import POLICY
from fedgraft.common.drawing.markup import Html, words
from fedgraft.common.errors import FedGraftError
from fedgraft.server.reports import command
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.page.verdict import verdict

Made = Callable[..., Path]
HOSTILE = "<script>alert(1)</script>"
SURVIVAL = ("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")
FINDINGS = ("data.task=multilabel", "data.classes=[a,b,c]", "loss=binary_cross_entropy")


class Elements(HTMLParser):
    """Every element with its attributes, the text of the page, and elements that were not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)


def page(folder: Path) -> tuple[str, str]:
    """The page that is written, and its words."""
    file = write_documents(folder)[0]
    assert file == folder / "report.html"
    text = file.read_text(encoding="utf-8")
    return text, words(Html(re.sub(r"<style>.*?</style>", "", text.replace("</t", " </t"), flags=re.DOTALL)))


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("overrides", [(), SURVIVAL, FINDINGS, ("data.classes=[a,b,c]",)])
def test_a_page_loads_nothing_runs_nothing_and_escapes_what_strangers_wrote(
    run_folder: Made, overrides: tuple[str, ...]
) -> None:
    text, told = page(run_folder(*overrides))
    parsed = Elements()
    parsed.feed(text)
    assert (parsed.crossed, parsed.open) == ([], [])
    assert {"http-equiv": "Content-Security-Policy", "content": POLICY} in [given for _, given in parsed.found]
    assert not {tag for tag, _ in parsed.found} & {"script", "link", "img", "iframe", "object", "form", "b", "i"}
    assert [name for _, given in parsed.found for name in given if name.startswith("on") or name == "src"] == []
    links = [given["href"] or "" for _, given in parsed.found if "href" in given]
    named = {given.get("id") for _, given in parsed.found}
    assert links and all(link[0] == "#" and link[1:] in named for link in links)
    assert "url(" not in text and "@import" not in text
    assert HOSTILE in told and "error <b>5</b>" in told and "<i>a note</i>" in told
    assert len(text) < 400_000


def test_the_first_screen_says_how_often_the_model_is_right(run_folder: Made) -> None:
    folder = run_folder()
    _, told = page(folder)
    found = summary(folder)
    name, at = next(iter(found["decisions"]["thresholds"].items()))
    right, others = at["chosen"]["pooled"]["sensitivity"], at["chosen"]["pooled"]["specificity"]
    assert "It was tested on 662 cases at 4 hospitals, of patients it had never seen." in told
    ends = f"({100 * right['low']:.0f} to {100 * right['high']:.0f})"
    assert f"Of 100 {name} cases it finds {100 * right['value']:.0f} {ends}." in told
    alarms = f"{100 - 100 * others['value']:.0f} ({100 - 100 * others['high']:.0f} to {100 - 100 * others['low']:.0f})"
    assert f"Of 100 other cases it calls {alarms} {name} by mistake." in told
    auroc = found["test"]["auroc"]
    assert f"In {100 * auroc:.0f} of 100 pairs of one {name} and one " in told
    assert f"guessing would be right in 50 (AUROC {auroc:.3f})." in told
    assert "which 4 hospitals (<script>alert(1)</script>, alder, birch and few) trained together in" in told
    assert "on 1,324 cases." in told


def test_figures_are_those_of_the_summary(run_folder: Made) -> None:
    folder = run_folder()
    text, told = page(folder)
    found = summary(folder)
    for name, one in found["sites"].items():
        assert f"{one['auroc']:.3f}" in told and f"{one['loss']:.3f}" in told, name
    for name, at in found["decisions"]["thresholds"].items():
        for kind in ("chosen", "cautious", "half"):
            for figure in ("sensitivity", "specificity", "ppv", "npv"):
                shown = at[kind]["pooled"][figure]
                both = f"{100 * shown['low']:.0f} to {100 * shown['high']:.0f}"
                assert f'{100 * shown["value"]:.0f} % <span class="note">{both}</span>' in text, (name, kind, figure)
    after = next(iter(found["calibration"]["pooled"]["after"]["classes"].values()))
    assert f"Error {after['ece']:.3f}; by chance up to {after['ece_by_chance']:.3f} (95 of 100 times)." in told
    coverage = found["decisions"]["sets"]["pooled"]["pooled"]["coverage"]
    assert f"{100 * coverage:.0f}" in told
    assert f"all {12:,} " not in told and "16.0 kB" in told  # 8 train messages of 2,000 bytes


def test_a_site_with_few_cases_is_never_the_weakest_and_is_named(run_folder: Made) -> None:
    folder = run_folder()
    _, told = page(folder)
    run = read_run(folder)
    assert (run.counted("few").positives, run.counted("few").negatives) == (2, 10)
    assert run.too_few("few") and not run.too_few("alder")
    rest = {name: one["auroc"] for name, one in run.sites.items() if name != "few"}
    assert run.worst == min(rest, key=lambda name: rest[name])
    assert "Too few to say (fewer than 5 positive or negative cases in the test): few." in told
    known = run.summary["intervals"]["sites"]["alder"]["auroc"]
    assert run.interval("alder") == (known["low"], known["high"])
    assert run.interval(None) is not None


def test_who_was_dropped_is_said_with_the_reason(run_folder: Made) -> None:
    text, told = page(run_folder())
    assert "1 message to birch got no usable answer" in told
    assert 'title="birch: unreachable in round 2"' in text
    assert 'title="birch: trained in round 1"' in text


def test_the_wait_for_a_yes_is_no_caution(run_folder: Made) -> None:
    folder = run_folder()
    path = folder / "summary.json"
    found = json.loads(path.read_text())
    waited = {"round": 1, "what": "prepare", "site": "birch", "outcome": "site-error", "reason": reported("unapproved")}
    path.write_text(json.dumps({**found, "dropped": [waited]}))
    _, told = page(folder)
    assert "got no usable answer" not in told and "Nobody has approved" not in told
    path.write_text(json.dumps({**found, "dropped": [waited, {**waited, "site": "yew"}]}))
    _, told = page(folder)
    assert "Nobody has approved the plan at yew, which took no part." in told


def test_cases_unlike_the_training_cases_are_counted(run_folder: Made) -> None:
    folder = run_folder()
    _, told = page(folder)
    assert "No warning of cases unlike the training cases: the run has none, or nobody told." in told
    found = summary(folder)
    flagged = {"cases": 40, "flagged": 3, "share": 0.075}
    found["familiarity"] = {"share": 0.05, "sites": {"alder": {"test": flagged}}, "pooled": {"val": flagged}}
    (folder / "summary.json").write_text(json.dumps(found), encoding="utf-8")
    _, told = page(folder)
    assert "It was set to flag 5 % of validation cases" in told and "8 % 3 of 40" in told


def test_survival_says_what_it_has_none_of(run_folder: Made) -> None:
    folder = run_folder(*SURVIVAL)
    _, told = page(folder)
    index = summary(folder)["test"]["c_index"]
    assert "This model tells who is at a higher risk of an earlier event." in told
    assert f"In {100 * index:.0f} of 100 pairs of two patients it gives the higher risk to the one whose event" in told
    for words_ in (
        "No curves: this model ranks",
        "No calibration: this",
        "No thresholds: this",
        "No sets of answers: t",
    ):
        assert words_ in told


def test_a_c_index_has_an_interval_and_warns_where_it_reaches_guessing(run_folder: Made) -> None:
    folder = run_folder(*SURVIVAL)
    found = summary(folder)
    found["sites"]["alder"]["few"] = False
    wide, whole = {"value": 0.54, "low": 0.31, "high": 0.75}, {"value": 0.6, "low": 0.5, "high": 0.7}
    found["sites"]["alder"]["c_index"], found["test"]["c_index"] = 0.54, 0.6
    found["intervals"]["sites"]["alder"] = {"auroc": None, "classes": {}, "c_index": wide, "few": False}
    found["intervals"]["together"] = {"auroc": None, "classes": {}, "c_index": whole}
    (folder / "summary.json").write_text(json.dumps(found), encoding="utf-8")
    _, told = page(folder)
    assert "(C-index 0.600, 95 % interval 0.50 to 0.70)" in told
    cases = found["test"]["cases"]
    assert (
        f"On all {cases} test cases together the model can't be told from guessing: C-index 0.600, 95 % interval 0.50 "
        "to 0.70 (0.5 is guessing)." in told
    )
    assert "At alder the model can't be told from guessing: C-index 0.540, 95 % interval 0.31 to 0.75" in told
    assert "0.310 to 0.750" in told


def test_findings_have_figures_each(run_folder: Made) -> None:
    folder = run_folder(*FINDINGS)
    _, told = page(folder)
    assert "This model looks for 3 findings: a, b, c." in told
    for name, one in summary(folder)["test"]["findings"].items():
        assert f"{name} {one['cases']} cases" in told and f"{one['auroc']:.3f}" in told


def test_without_test_cases_or_figures_the_page_says_so(run_folder: Made) -> None:
    _, told = page(run_folder(splits=("val",)))
    assert "is not known" in told and "the run had no test cases, or no hospital released figures on them" in told
    assert "The final model on each hospital's validation cases. Small" in told  # the last round's was taken
    assert "No curves: no hospital told figures on test cases (data.test=sites and" in told
    assert "No thresholds: they are chosen on validation cases" in told
    _, told = page(run_folder(splits=("test",)))
    assert "No curves: the run told no validation cases" in told
    _, told = page(run_folder(splits=()))
    assert "none told" in told and "is not known" in told


def test_the_coordinators_test_set_is_named(run_folder: Made) -> None:
    _, told = page(run_folder(splits=("val",), central=True))
    assert "It was tested on 90 cases that the coordinator holds, of patients it had never seen." in told
    assert "the coordinator's test set" in told


def test_where_nobody_said_whose_case_is_whose_no_patients_are_promised(run_folder: Made) -> None:
    run = read_run(run_folder())
    data = replace(run.plan.data, options={"path": "cases.csv", "patient": None})
    said = words(verdict(replace(run, plan=replace(run.plan, data=data))))
    assert "662 cases at 4 hospitals, that it had never seen; each was taken for another patient's (data.pat" in said


def test_a_study_shows_its_verdict_and_its_differences(study_folder: Path) -> None:
    text, told = page(study_folder)
    assert "Whether federation helped can't be said <from> one seed." in told
    assert "One seed only" in told and HOSTILE in told and "<script>" not in text
    assert "+0.100 (no interval)" in told and "undefined" in told and "2.0 kB" in told
    assert "hospital, in the order of the table" in told


def test_few_hospitals_with_short_names_are_named_below_a_study_s_chart(study_folder: Path) -> None:
    text = (study_folder / "study.json").read_text(encoding="utf-8").replace(HOSTILE, "<i>b</i>")
    (study_folder / "study.json").write_text(text.replace('"mean": 0.1', '"mean": -0.0004'), encoding="utf-8")
    shown, told = page(study_folder)
    assert "hospital, in the order of the table" not in told and "<i>b" not in shown
    assert re.search(r">alder</text>.*>&lt;i&gt;b&lt;/i&gt;</text>.*>hospital</text>", shown, re.DOTALL)
    assert "+0.000 (no interval)" in told and "-0.000" not in told


def test_the_command_writes_it_again(run_folder: Made, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder()
    assert command.main([str(folder)]) == 0
    names = ("report.html", "model-card.md", "model-card.json", "rounds.csv", "rounds_sites.csv")
    assert capsys.readouterr().out.splitlines() == [f"wrote {folder / name}" for name in names]
    first = {name: (folder / name).read_bytes() for name in names}
    assert command.main([str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in names} == first


def test_another_folder_is_refused(tmp_path: Path, run_folder: Made) -> None:
    with pytest.raises(
        FedGraftError, match=r"holds neither summary.json nor study.json; name the folder of a run or a"
    ):
        write_documents(tmp_path)
    with pytest.raises(FedGraftError, match=r"nowhere is no folder; name the folder of a run or a study that has"):
        write_documents(tmp_path / "nowhere")
    folder = run_folder()
    (folder / "summary.json").write_text("{", encoding="utf-8")
    with pytest.raises(FedGraftError, match="is not the folder of a run that has ended"):
        write_documents(folder)
    (folder / "study.json").write_text("{", encoding="utf-8")
    with pytest.raises(FedGraftError, match=r"study.json can't be read"):
        write_documents(folder)
    run = run_folder()
    (run / "study.json").unlink()
    (run / "report.html").mkdir()
    with pytest.raises(FedGraftError, match=r"report.html can't be written \(.*\)"):
        write_documents(run)


@pytest.mark.parametrize(
    ("counted", "said"), [([[]], "counts in no mean"), ([["alder"]], "No hospital has enough, so")]
)
def test_a_study_marks_hospitals_with_too_few_cases(study_folder: Path, counted: list[list[str]], said: str) -> None:
    found = json.loads((study_folder / "study.json").read_text(encoding="utf-8"))
    few = {"few": [["alder"]], "counted": [one + ([] if one else [HOSTILE]) for one in counted]}
    (study_folder / "study.json").write_text(json.dumps({**found, **few}), encoding="utf-8")
    _, told = page(study_folder)
    assert told.count("alder †") == 2 and f"{HOSTILE} †" not in told
    assert "Marked †, fewer than 5 positive or negative test cases with some seed" in told and said in told
    assert "on average over 1 hospital and 1 random seed." in told

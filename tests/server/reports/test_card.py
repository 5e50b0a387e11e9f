"""The model card: a metadata block that a hub reads, every item of each checklist, and no markup by chance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.server.reports.card.answers import ai_act, tripod
from fedgraft.server.reports.card.card import KNOWN, TODO, card, plain, write_card
from fedgraft.server.reports.card.items import AI_ACT, CHECKLISTS, TRIPOD
from fedgraft.server.reports.page.folder import read_run

Made = Callable[..., Path]
SURVIVAL = ("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")


@pytest.mark.parametrize("overrides", [(), SURVIVAL])
def test_the_hub_reads_the_block_and_finds_the_figures(run_folder: Made, overrides: tuple[str, ...]) -> None:
    hub = pytest.importorskip("huggingface_hub")
    folder = run_folder(*overrides)
    text = write_card(folder, run := read_run(folder))[0].read_text(encoding="utf-8")
    read = hub.ModelCard(text, ignore_metadata_errors=False)
    assert read.data.library_name == "fedgraft" and "federated-learning" in read.data.tags
    found = {one.metric_type: one.metric_value for one in read.data.eval_results}
    known = {"auroc", "auprc"} if not overrides else {"c_index"}
    assert found == {name: run.summary["test"][name] for name in known}
    assert read.data.to_dict()["metrics"] == list(found)


def test_without_test_cases_there_are_no_results(run_folder: Made) -> None:
    folder = run_folder(splits=("val",))
    write_card(folder, read_run(folder))
    found = json.loads((folder / "model-card.json").read_text(encoding="utf-8"))
    assert "model-index" not in found["metadata"] and found["metadata"]["metrics"] == []


def test_every_item_is_there_once_with_its_question_and_what_the_run_knows(run_folder: Made) -> None:
    folder = run_folder()
    run = read_run(folder)
    write_card(folder, run)
    found = json.loads((folder / "model-card.json").read_text(encoding="utf-8"))
    text = (folder / "model-card.md").read_text(encoding="utf-8")
    assert [len(one.items) for one in CHECKLISTS] == [52, 23]
    for checklist, known in ((TRIPOD, tripod(run)), (AI_ACT, ai_act(run))):
        numbers = [item.number for item in checklist.items]
        assert len(set(numbers)) == len(numbers) and set(known) <= set(numbers)
        assert [one["item"] for one in found[checklist.key]] == numbers
        for item in checklist.items:
            follows = f"{KNOWN}{plain(known[item.number])} " if item.number in known else ""
            assert text.count(f"- [ ] **{item.number} {item.name}.** {follows}{TODO}{item.question}\n") == 1
    shown = found["figures"]["alder"]
    assert shown["auroc"] == run.sites["alder"]["auroc"] and shown["interval"][0] < shown["auroc"]
    assert found["figures"]["few"]["too_few"] and found["figures"]["few"]["interval"] is None
    assert "of patients it had never seen." in found["summary"][0]


def test_of_several_classes_each_has_a_sentence_of_its_own(run_folder: Made) -> None:
    run = read_run(run_folder("data.classes=['3','12',rest]"))
    summary = card(run)["summary"]
    place = summary.index("How often it is right:")
    rows = {name: run.thresholds[name][run.threshold]["pooled"] for name in ("3", "12", "rest")}
    for sentence in summary[place + 1 : place + 4]:
        name, told = sentence.split(": ", 1)
        found = rows.pop(name)
        hits, alarms = (f"{100 * found[one]['value']:.0f}" for one in ("sensitivity", "specificity"))
        assert re.fullmatch(
            rf"of 100 such cases it finds {hits} \(\d+ to \d+\); "
            rf"of 100 others it gives false alarm on {100 - int(alarms)} \(\d+ to \d+\)",
            told,
        )
    assert not rows


def test_strangers_words_are_no_markup(run_folder: Made) -> None:
    folder = run_folder()
    write_card(folder, read_run(folder))
    assert "<script>" not in (folder / "model-card.md").read_text(encoding="utf-8")
    assert plain("a|b\n# <c> [d](e) `f` *g*") == r"a\|b \# \<c\> \[d\](e) \`f\` \*g\*"

"""The check over a cohort of notes: what it says of them, and that it repeats none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from fedgraft.client.check.page import render
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.plan.plan import Plan

from .test_check import check, findings, grades, printed

Composer = Callable[..., Plan]
CALM = "There is no effusion in the left lung of the patient after the operation of Mrs Huberova, examination"
ILL = f"{CALM} metastasis"


def write_site(folder: Path, plan: Plan, notes: list[tuple[str, str, str]]) -> Path:
    """Notes as ``(text, label, patient)`` in a table beside the manifest."""
    cells = (text.replace('"', '""') for text, _, _ in notes)
    (folder / "NOTE.csv").write_text(
        "\n".join(["note_text", *(f'"{text}"' for text in cells)]) + "\n", encoding="utf-8"
    )
    lines = [f"NOTE.csv,{at},{label},{patient},{at % 2}" for at, (_, label, patient) in enumerate(notes)]
    (folder / "manifest.csv").write_text("\n".join(["path,row,label,patient,ward", *lines]) + "\n")
    write_site_file(folder / "site.yaml", SiteFile("north", folder / "manifest.csv", folder / "state", threads=1))
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    return folder / "site.yaml"


def cohort(extra: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """40 notes of 40 patients, all different; ill ones have a word that says so."""
    found = []
    for at in range(40):
        label = ("clear", "lesion")[at % 2]
        other = " ".join(f"w{at}x{word}" for word in range(20))
        found.append((f"{ILL if at % 2 else CALM} {at} {other}", label, f"p{at}"))
    return [*found, *extra]


def plan_of(compose_plan: Composer, *words: str) -> Plan:
    base = ("input=text", "backbone=hashed_words", "backbone.buckets=32", "data.image_size=null", "loss.weights=none")
    return compose_plan(*base, "input.column=note_text", *words, small=False)


def test_lengths_languages_negations_copies_and_words_that_tell(tmp_path: Path, compose_plan: Composer) -> None:
    copies = [(cohort([])[1][0], "lesion", "q1"), ("...", "clear", "q2"), (cohort([])[3][0] + " again", "clear", "q3")]
    site = write_site(tmp_path, plan_of(compose_plan), cohort(copies))
    sections = check(site, plan=tmp_path / "plan.yaml")
    notes = next(section for section in sections if section.title == "notes")
    said = {finding.what: finding.text for finding in notes.findings}
    assert grades([notes])["quarantine: empty"] == "warning"
    assert said["length"].startswith("39 to 41 words")
    assert said["languages"] == "all that can be told are in en"
    assert said["negations"].startswith("100.0 % of the notes deny something")
    copied = [f.text for f in notes.findings if f.what == "duplicates"]
    assert any(text.startswith("(nearly) the same words under different patients, 2 notes (case-") for text in copied)
    assert any(text.startswith("(nearly) the same words with different labels, 1 note (case-") for text in copied)
    told = [f for f in notes.findings if f.what == "label given away"]
    assert "by the word metastasis alone, lesion is told with an AUROC of 0.9" in " ".join(f.text for f in told)
    assert all(f.grade == "warning" for f in told)
    assert {"ready for the plan?", "cost of a round"} <= {section.title for section in sections}
    text = render("north", sections) + printed(sections)
    assert "Huberova" not in text and "w3x7" not in text and "q3" not in text


def test_a_word_of_few_patients_is_not_named(tmp_path: Path, compose_plan: Composer) -> None:
    """With a least of 25 patients, the words of 20 stay unnamed."""
    site = write_site(tmp_path, plan_of(compose_plan), cohort([]))
    found = yaml.safe_load(site.read_text())
    site.write_text(yaml.safe_dump({**found, "release": {"min_count": 25}}))
    said = [finding.text for finding in findings(check(site, plan=tmp_path / "plan.yaml"))]
    assert any(text.startswith("by a rare word alone, lesion is told") for text in said)
    assert not any("metastasis" in text for text in said)


def test_notes_that_are_cut_off_and_several_languages_are_warned_of(
    tmp_path: Path, compose_plan: Composer, of_encoder: Callable[..., tuple[str, ...]]
) -> None:
    german = "Die Patientin wurde mit Schmerzen in der linken Brust aufgenommen und das EKG ist nicht auffällig bei der"
    words = of_encoder("input.column=note_text", "input.languages=[en,de]")
    extra = [(f"{german} {at}", "clear", f"g{at}") for at in range(3)]
    site = write_site(tmp_path, compose_plan(*words, small=False), cohort(extra))
    sections = check(site, plan=tmp_path / "plan.yaml")
    said = {finding.what: finding for finding in findings(sections)}
    assert said["windows"].grade == "warning"
    assert (
        "have more than the plan's 3 windows of 8 tokens, and are cut off there; lines 2, 3, 4" in said["windows"].text
    )
    assert said["languages"].text == "the notes are in several languages: en 40, de 3"


def test_notes_with_more_windows_than_are_kept_apart_are_counted(
    tmp_path: Path, compose_plan: Composer, of_encoder: Callable[..., tuple[str, ...]]
) -> None:
    """All 40 notes of the cohort have three windows or more, one further note has one."""
    for most, grade, text in (
        (2, "warning", "40 of 41 notes have more than the 2 that features.most keeps apart: neighbours are pooled"),
        (64, "ok", "no note has more than the 64 that features.most keeps apart"),
    ):
        words = of_encoder("input.column=note_text", "features=windows", f"features.most={most}", "head=attention")
        extra = [("no effusion", "clear", "short")]
        site = write_site(tmp_path, compose_plan(*words, small=False), cohort(extra))
        found = {one.what: one for one in findings(check(site, plan=tmp_path / "plan.yaml"))}["windows kept"]
        assert found.grade == grade and text in found.text


def test_without_a_note_that_can_be_used_it_says_so(tmp_path: Path, compose_plan: Composer) -> None:
    site = write_site(tmp_path, plan_of(compose_plan), [("...", "clear", "a"), ("-", "lesion", "b")])
    sections = check(site, plan=tmp_path / "plan.yaml")
    assert "no note can be used" in [finding.text for finding in findings(sections)]

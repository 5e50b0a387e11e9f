"""What copies of notes lose, without the guard and with it, on public notes.

    FEDGRAFT_DATA=... python benchmarks/notes.py [NOTES [FILE COLUMN]]     (400, mts_dialog/mts_dialog.csv section_text)

Needs Debian's ``wordnet-base`` and ``apertium-eng-spa``. A denial is lost if a copy has fewer words of denial than its
note, counted by a pattern of this file's own; the guard is not asked.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from fedgraft.client.notes.copies import Copies, copies_of
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.client.notes.translation import Programs, remembered
from fedgraft.client.notes.wordnet import DEBIAN, Senses, WordNet

DENIAL = re.compile(
    r"\b(?:no|not|never|without|denie[sd]|denying|cannot|nor|neither|none|negative|unlikely|absence|absent|unable)\b|n't\b",
    re.IGNORECASE,
)
NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
SIDE = re.compile(r"\b(?:left|right|bilateral)\b", re.IGNORECASE)


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    name, column = sys.argv[2:4] if len(sys.argv) > 2 else ("mts_dialog/mts_dialog.csv", "section_text")
    with (Path(os.environ["FEDGRAFT_DATA"]) / name).open(newline="", encoding="utf-8") as file:
        every = [row[column] for row in csv.DictReader(file) if row[column].strip()]
    notes = [every[at * len(every) // most] for at in range(min(most, len(every)))]
    print(f"{len(notes)} of {len(every)} notes, {sum(map(_denied, notes))} with a denial")
    translate = remembered(Programs())
    ways: dict[str, tuple[Recipe, Senses]] = {
        "synonyms, every sense": (Recipe(copies=1, synonyms=0.1), "every"),
        "synonyms, shared sense": (Recipe(copies=1, synonyms=0.1), "shared"),
        "swap": (Recipe(copies=1, swap=0.1), "shared"),
        "delete": (Recipe(copies=1, delete=0.1), "shared"),
        "there and back": (Recipe(copies=1, translate=True), "shared"),
    }
    for name, (recipe, senses) in ways.items():
        sources = Sources(WordNet(DEBIAN, senses), translate)
        for guard in (False, True):
            start = time.perf_counter()
            made = copies_of(notes, Recipe(**(vars(recipe) | {"guard": guard})), sources, 0)
            took = 1000 * (time.perf_counter() - start) / len(notes)
            print(f"{name}, guard {'on' if guard else 'off'}: {_told(notes, made)}; {took:.0f} ms a note")


def _denied(note: str) -> bool:
    return bool(DENIAL.search(note))


def _told(notes: list[str], made: list[Copies]) -> str:
    pairs = [(note, copy.text) for note, one in zip(notes, made, strict=True) for copy in one.kept]
    denied = [(note, copy) for note, copy in pairs if _denied(note)]
    lost = sum(len(DENIAL.findall(copy)) < len(DENIAL.findall(note)) for note, copy in denied)
    numbers = sum(NUMBER.findall(copy) != NUMBER.findall(note) for note, copy in pairs)
    sides = sum(SIDE.findall(copy.lower()) != SIDE.findall(note.lower()) for note, copy in pairs)
    proposed = sum((one.proposed for one in made), Counter[str]()).total()
    thrown = sum((one.thrown for one in made), Counter[tuple[str, str]]())
    reasons = ", ".join(f"{reason} {count}" for (_, reason), count in thrown.most_common())
    return (
        f"{len(pairs)} notes have a copy; of {len(denied)} with a denial {lost} lost one "
        f"({lost / max(len(denied), 1):.1%}); numbers changed in {numbers}, sides in {sides}; "
        f"{proposed} sentences changed, {thrown.total()} thrown away ({reasons})"
    )


if __name__ == "__main__":
    main()

"""A WordNet of a few words, in the format of its own files (wndb(5WN), cntlist(5WN))."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

SETS: Sequence[tuple[str, str, Sequence[str]]] = (
    ("noun", "n", ("doctor", "physician", "Dr.")),
    ("noun", "n", ("picture", "image")),
    ("noun", "n", ("hand", "paw")),
    ("verb", "v", ("fix", "doctor")),
    ("verb", "v", ("picture", "visualize", "call_up")),
    ("verb", "v", ("begin", "start")),
    ("adj", "s", ("glad(p)", "happy")),
    ("noun", "n", ("image", "effigy")),
)
"""Part of speech, its sign, and words that mean the same; a word's senses stand in this order."""
COUNTS = (
    ("begin%2:30:00::", 1, 40),
    ("doctor%1:18:00::", 1, 30),
    ("doctor%2:30:00::", 1, 2),
    ("image%1:06:00::", 1, 20),
    ("image%1:06:01::", 2, 3),
    ("picture%1:06:00::", 1, 5),
    ("picture%2:31:00::", 1, 5),
    ("start%2:30:00::", 1, 20),
)
"""Sense key, number of the sense, and how often texts tagged by hand have it: of a doctor mostly a physician; of a
picture nobody knows which."""


def write_wordnet(folder: Path) -> Path:
    """Write the files; returns the folder."""
    senses: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for part in ("noun", "verb", "adj", "adv"):
        data = "  1 This is a head of a file, which begins with spaces.\n"
        for own, sign, words in SETS:
            if own == part:
                for word in words:
                    senses[part][word.partition("(")[0].lower()].append(len(data))
                names = " ".join(f"{word} 0" for word in words)
                data += f"{len(data):08d} 04 {sign} {len(words):02x} {names} 000 | a gloss  \n"
        (folder / f"data.{part}").write_text(data)
        lines = [
            f"{word} n {len(places)} 0 {len(places)} 0 {' '.join(f'{place:08d}' for place in places)}  \n"
            for word, places in sorted(senses[part].items())
        ]
        (folder / f"index.{part}").write_text("  1 A head.\n" + "".join(lines))
    (folder / "cntlist.rev").write_text("".join(f"{key} {number} {count}\n" for key, number, count in COUNTS))
    return folder

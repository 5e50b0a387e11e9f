"""A note with one of its words taken out, wherever it stands, or one of its windows: what a score loses by it, the
score rested on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from torch import Tensor

from fedgraft.client.cohort.shown import StandIn
from fedgraft.client.text.language import WORDS
from fedgraft.common.interfaces.inputs import TextSpec

MOST = 120
"""Of a longer note, so many of its words are taken out, those that stand there most often; each costs a pass."""
_SHORTEST = 2
_COMMON = WORDS["en"] - {"no", "not"}


def stand_ins_of(note: str, encoded: Callable[[Sequence[str]], Tensor]) -> list[StandIn]:
    """The words of a note but for the most common ones of English, as `fedgraft.client.cohort.shown.InColumns`.

    Args:
        encoded: notes -> inputs ``(B, F)``.
    """
    counts = Counter(word for word in re.findall(r"\w+", note.casefold()) if len(word) >= _SHORTEST)
    words = [word for word, _ in counts.most_common() if word not in _COMMON][:MOST]
    return [
        StandIn(word, "once" if counts[word] == 1 else f"{counts[word]} times", encoded([_without(note, word)]))
        for word in words
    ]


def without_windows(row: Tensor, spec: TextSpec, openings: Sequence[str]) -> list[StandIn]:
    """The windows of a note, if it has several; hashed words beside them stay.

    Args:
        row: the note as encoded, ``(1, F)``.
        openings: the first words of each window.
    """
    found = []
    for at, words in enumerate(openings if len(openings) > 1 else ()):
        rows = row.clone()
        rows[:, at * spec.length : (at + 1) * spec.length] = 0
        found.append(StandIn(f"window {at + 1} of {len(openings)}", f"{words} …", rows))
    return found


def _without(note: str, word: str) -> str:
    left = re.sub(rf"\b{re.escape(word)}\b", " ", note, flags=re.IGNORECASE)
    return left if left.strip() else "."

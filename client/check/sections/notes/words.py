"""Words that give the label away, and words that deny."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import share, shown
from fedgraft.client.check.report import Finding
from fedgraft.client.cohort.giveaways import LEAKS
from fedgraft.common.tasks.areas import FEW

MOST_NAMED = 5
NEGATIONS = re.compile(
    r"\b(no|not|without|denies|denied|negative for|free of|absence of|none|kein|keine|nicht|ohne|sans|sin|senza)\b",
    re.IGNORECASE,
)
"""Words that deny what follows, most of them NegEx's (Chapman et al., Journal of Biomedical Informatics 2001)."""


def telling_words(notes: Sequence[str], case_table: CaseTable, least: int) -> Iterator[Finding]:
    """A warning for each outcome that the presence of one word tells with an AUROC of `LEAKS` or more.

    Args:
        notes: one for each case of the case table.
        least: fewest patients in whose notes a word stands that is named; a rarer one could be a person's name.
    """
    counter = CountVectorizer(binary=True, token_pattern=r"(?u)\b\w+\b")
    try:
        there = counter.fit_transform(notes).tocsc()
    except ValueError:  # no note has a word
        return
    names = counter.get_feature_names_out()
    outcomes = case_table.outcomes
    for outcome in outcomes[1:] if len(outcomes) == 2 else outcomes:
        known = np.array([one is not None for one in outcome.of])
        has = np.array([bool(one) for one in outcome.of])
        if min((has & known).sum(), (~has & known).sum()) < FEW:
            continue
        reached = _reached(there[known], has[known])
        for place in np.argsort(-reached)[:MOST_NAMED].tolist():
            if reached[place] < LEAKS:
                break
            patients = {case_table.cases[at].patient for at in there[:, place].indices}
            word = f"the word {shown(names[place])}" if len(patients) >= least else "a rare word"
            text = f"by {word} alone, {shown(outcome.name)} is told with an AUROC of {reached[place]:.3f}"
            todo = "is it written before the diagnosis, or does it say it? If it does, take such words out of the notes"
            yield Finding("warning", "label given away", text, todo)


def _reached(there: NDArray[np.generic], has: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The AUROC of each word's presence, in the better direction: half of 1 plus the difference of its shares."""
    counts = np.asarray(there.sum(axis=0)).reshape(-1)
    positives = np.asarray(there[has].sum(axis=0)).reshape(-1)
    found: NDArray[np.float64] = np.abs(positives / has.sum() - (counts - positives) / (~has).sum())
    return (1 + found) / 2


def negations(notes: Sequence[str]) -> Finding:
    """How many notes deny something: what a change of words (augmentation, translation) can turn into its contrary."""
    number = sum(bool(NEGATIONS.search(note)) for note in notes)
    text = f"{share(number, len(notes))} of the notes deny something (no, without, denies, ...)"
    return Finding("ok", "negations", text)

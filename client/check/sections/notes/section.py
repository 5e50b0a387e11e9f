"""The section on notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of, lines_of, share
from fedgraft.client.check.report import Finding, Grid, Section
from fedgraft.client.check.sections.duplicates import suspicious
from fedgraft.client.check.sections.notes.copies import copies
from fedgraft.client.check.sections.notes.names import names
from fedgraft.client.check.sections.notes.words import negations, telling_words
from fedgraft.client.check.sections.quarantine import refusal_grid, refusals
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.text.inputs import TOO_SHORT, TextInputs
from fedgraft.client.text.language import language_of
from fedgraft.client.text.near import nearly_equal, signatures
from fedgraft.client.text.notes import words_of

EQUAL = ("(nearly) the same words", "note")
_AT_ONCE = 256


def describe_notes(
    case_table: CaseTable, verdicts: NDArray[np.uint8], inputs: TextInputs, site: SiteFile, kept: int | None = None
) -> Section:
    """The section; no note, and no word of fewer patients than ``min_count``, is in it.

    Args:
        verdicts: of every case of the case table.
        inputs: read the notes.
        kept: windows of a note that the plan's features keep apart (``features.most``); ``None`` if they keep none.
    """
    findings = [*refusals(case_table.lines, verdicts, "note")]
    grids = [refusal_grid(verdicts, "note")] if (verdicts != USABLE).any() else []
    usable = case_table.some(np.flatnonzero(verdicts == USABLE).tolist())
    if not usable.cases:
        return Section("notes", tuple(findings), tuple(grids))
    notes = [inputs.note(case) for case in usable.cases]
    findings += [*lengths(usable, notes, inputs, kept), *languages(notes), negations(notes)]
    findings += [*_duplicates(usable, notes, site), *telling_words(notes, usable, site.release.min_count)]
    findings += [*names(notes), *copies(notes, inputs.views)]
    return Section("notes", tuple(findings), (*grids, _length_grid(notes), _language_grid(notes)))


def lengths(
    case_table: CaseTable, notes: Sequence[str], inputs: TextInputs, kept: int | None = None
) -> Iterator[Finding]:
    """How many words the notes have, and whether the network sees all of them; and the head, one by one."""
    counts = [len(words_of(note)) for note in notes]
    yield Finding("ok", "length", f"{min(counts):,} to {max(counts):,} words, a median of {int(np.median(counts)):,}")
    if inputs.windower is None:
        return
    windows = [
        one for at in range(0, len(notes), _AT_ONCE) for one in inputs.windower.windows(notes[at : at + _AT_ONCE])
    ]
    most = inputs.spec.windows
    cut = [line for line, number in zip(case_table.lines, windows, strict=True) if number > most]
    if cut:
        text = (
            f"{len(cut):,} of {count_of(len(notes), 'note')} have more than the plan's {most} windows of "
            f"{inputs.spec.length} tokens, and are cut off there; {lines_of(cut)} of the manifest"
        )
        yield Finding("warning", "windows", text, "ask for a plan with more backbone.windows")
    else:
        text = (
            f"{max(windows):,} of {inputs.spec.length} tokens at most, {np.mean(windows):.1f} on average; none is cut"
        )
        yield Finding("ok", "windows", text)
    if kept is not None:
        yield _pooled(kept, windows)


def _pooled(kept: int, windows: Sequence[int]) -> Finding:
    """Notes with more windows than a head that weighs windows is given."""
    more = sum(number > kept for number in windows)
    if not more:
        return Finding("ok", "windows kept", f"no note has more than the {kept} that features.most keeps apart")
    text = (
        f"{more:,} of {count_of(len(windows), 'note')} have more than the {kept} that features.most keeps apart: "
        "neighbours are pooled there, and nothing is left out"
    )
    return Finding("warning", "windows kept", text, "if single windows matter, ask for a plan with more features.most")


def languages(notes: Sequence[str]) -> Iterator[Finding]:
    """Whether all notes are in one language, as far as their common words tell."""
    counts = Counter(language for note in notes if (language := language_of(note)) is not None)
    if len(counts) > 1:
        text = "the notes are in several languages: " + ", ".join(f"{name} {n:,}" for name, n in counts.most_common())
        yield Finding("warning", "languages", text, "set the plan's input.languages to those that its network knows")
    elif counts:
        yield Finding("ok", "languages", f"all that can be told are in {next(iter(counts))}")


def _duplicates(case_table: CaseTable, notes: Sequence[str], site: SiteFile) -> Iterator[Finding]:
    """Findings on notes that are nearly equal, by MinHash; short ones are no duplicates."""
    long = [at for at, note in enumerate(notes) if len(words_of(note)) >= TOO_SHORT]
    some = case_table.some(long)
    sets = nearly_equal(signatures([notes[at] for at in long])) if long else []
    found = list(suspicious(some, sets, Pseudonyms(site.state).name, EQUAL))
    if found:
        yield from found
    elif sets:
        within = sum(len(places) - 1 for places in sets)
        text = f"{count_of(within, 'note')} (nearly) twice, each time of one patient, with one label, in one split"
        yield Finding("ok", "duplicates", text)
    else:
        yield Finding("ok", "duplicates", f"no two notes of {TOO_SHORT} words or more are nearly equal")


def _length_grid(notes: Sequence[str]) -> Grid:
    counts = [len(words_of(note)) for note in notes]
    points = (0, 0.25, 0.5, 0.75, 1)
    cells = tuple(f"{number:,.0f}" for number in np.quantile(counts, points))
    return Grid("words of a note", ("fewest", "a quarter have at most", "median", "three quarters", "most"), (cells,))


def _language_grid(notes: Sequence[str]) -> Grid:
    counts = Counter(language_of(note) or "can't be told" for note in notes)
    rows = tuple((name, f"{n:,}", share(n, len(notes))) for name, n in counts.most_common())
    return Grid("languages, by their most common words", ("language", "notes", "share"), rows)

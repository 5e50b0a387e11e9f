"""A finding on what may name a patient in notes, by kind and count (`fedgraft site deidentify`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from fedgraft.client.check.reading import spread
from fedgraft.client.check.report import Finding
from fedgraft.client.deidentification.finding import INSTALL, Finder, counted

_MOST = 100  # notes: a long one takes tens of milliseconds


def names(notes: Sequence[str]) -> Iterator[Finding]:
    """How many notes have something that may name a patient, of some that are evenly spread; never what."""
    if find_spec("presidio_analyzer") is None:
        yield Finding("ok", "names", f"whether notes name patients was not looked at: {INSTALL}")
        return
    some, finder = spread(_MOST, notes), Finder()
    counts = counted(finder.find(note) for note in some)
    looked = f"of {counts.of:,} notes that were looked at, evenly spread, "
    if not counts.any:
        yield Finding("ok", "names", f"{looked}none has what a pattern finds; names without a title have no pattern")
        return
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(counts.found.items()))
    text = f"{looked}{counts.any:,} may name a patient or somebody else, by patterns: {kinds}"
    yield Finding("warning", "names", text, "see `fedgraft site deidentify`, and read a sample; notes never leave")

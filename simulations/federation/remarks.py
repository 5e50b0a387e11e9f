"""Sentences of simulated sites on their own cases, which they wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fedgraft.client.cohort.quarantine import read_remarks

MOST_NAMED = 3


def remark_sentences(sites: Mapping[str, Path]) -> list[str]:
    """What the first sites say, by name, and which others say something.

    Args:
        sites: the site file of each.
    """
    said = {name: read_remarks(path.parent / "state") for name, path in sites.items()}
    said = {name: sentences for name, sentences in said.items() if sentences}
    shown, more = [*said][:MOST_NAMED], [*said][MOST_NAMED:]
    named = [f"{name}: {sentence}" for name in shown for sentence in said[name]]
    etc = ", ..." if len(more) > MOST_NAMED else ""
    rest = [f"likewise at {len(more)} more hospital(s): {', '.join(more[:MOST_NAMED])}{etc}"]
    return named + (rest if more else [])

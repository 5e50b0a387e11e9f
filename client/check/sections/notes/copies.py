"""A finding on the copies that a plan asks for: how many notes get one, and what the guard throws away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fedgraft.client.check.formatting import count_of
from fedgraft.client.check.reading import spread
from fedgraft.client.check.report import Finding
from fedgraft.client.notes.copies import copies_of
from fedgraft.client.notes.views import NoteViews

_MOST = 100  # notes


def copies(notes: Sequence[str], views: NoteViews | None) -> Iterator[Finding]:
    """Of some notes, evenly spread; nothing if the plan asks for no copies."""
    if views is None:
        return
    some = spread(_MOST, notes)
    made = copies_of(some, views.recipe, views.sources, views.seed)
    varied = sum(bool(one.kept) for one in made)
    proposed = sum(one.proposed.total() for one in made)
    thrown: Counter[str] = Counter()
    for one in made:
        for (_, reason), number in one.thrown.items():
            thrown[reason] += number
    reasons = "".join(f", {reason} {number:,}" for reason, number in thrown.most_common())
    text = (
        f"{varied:,} of {count_of(len(some), 'note')} looked at get a copy that differs; of {proposed:,} changed "
        f"sentences {thrown.total():,} were thrown away{reasons}"
    )
    if not views.recipe.guard:
        text += "; augment.notes.guard=false: copies may deny, count or name something else than their note"
    if varied and views.recipe.guard:
        yield Finding("ok", "copies", text)
    else:
        yield Finding("warning", "copies", text, "look at them: fedgraft augment --show --notes")

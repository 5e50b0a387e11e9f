"""Several comparisons at once: the more there are, the likelier that one of them looks like a difference by chance."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.simulations.study.figures import Figure


def holm(values: Sequence[Figure]) -> list[Figure]:
    """P values such that with all of them below 0.05 called a difference, the chance that any of these is none stays
    below 5 % (Holm, Scand. J. Stat. 1979); ``None`` stays, and counts in nothing."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    found: list[Figure] = [None] * len(values)
    least = 0.0
    for rank, (value, place) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * value))
        found[place] = least
    return found

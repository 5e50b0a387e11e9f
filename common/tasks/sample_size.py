"""Sentences for people about classes or findings of which a split has too few cases."""

from __future__ import annotations

from collections.abc import Sequence

LEAST_TRAIN = 20
"""Per class or finding. A class weight of an even rarer one rests on a handful of patients."""
LEAST_HELD_OUT = 10
"""Per class in val and test. The 95 % interval of a sensitivity on ten cases is 0.6 wide: +-1.96 sqrt(.25 / 10)."""


def consequence(split: str) -> str:
    """What comes of too few cases in ``train``, ``val`` or ``test``."""
    return "hardly anything is learnt of them here" if split == "train" else "their figures are little more than chance"


def few_cases(counted: Sequence[tuple[str, int]], split: str, remedy: str) -> list[tuple[str, str]]:
    """A sentence for what has no case, one for what has fewer than it should, each with ``remedy``.

    Args:
        counted: names and cases.
    """
    least = LEAST_TRAIN if split == "train" else LEAST_HELD_OUT
    none = [name for name, count in counted if not count]
    some = [f"{name} {count}" for name, count in counted if 0 < count < least]
    found = []
    if none:
        lost = "nothing is learnt of them here" if split == "train" else "they have no figures here"
        found.append((f"no case of: {', '.join(none)}; {lost}", remedy))
    if some:
        found.append((f"fewer than {least} cases of: {', '.join(some)}; {consequence(split)}", remedy))
    return found

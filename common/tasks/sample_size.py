"""Sentences about classes or findings of which a split has too few cases."""

from __future__ import annotations

from collections.abc import Sequence

LEAST_TRAIN = 20
"""Training cases per class or finding; the class weight of a rarer one depends on a handful of patients."""
LEAST_HELD_OUT = 10
"""Cases per class in val and test. Of ten, the 95 % interval of a sensitivity is 0.6 wide: +-1.96 sqrt(.25 / 10)."""


def consequence(split: str) -> str:
    """The consequence of too few cases in ``train``, ``val`` or ``test``, as a clause."""
    return "hardly anything is learnt of them here" if split == "train" else "their figures are little more than chance"


def few_cases(counted: Sequence[tuple[str, int]], split: str, remedy: str) -> list[tuple[str, str]]:
    """A sentence on names without a case, and one on names with too few, each paired with ``remedy``.

    Args:
        counted: ``(name, number of cases)`` pairs.
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

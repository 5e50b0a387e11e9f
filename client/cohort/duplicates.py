"""The same pixels twice: reported, and refused where they would let a test see what was trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError

Digests = Callable[[Sequence[Case]], Sequence[bytes] | None]


def twins(cases: Sequence[Case], digests: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Groups of cases with equal digests, by position; only groups of two or more."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests[: len(cases)]):
        groups[digest].append(place)
    return [tuple(places) for places in groups.values() if len(places) > 1]


def refuse_across_splits(splits: Mapping[str, Sequence[Case]], digests: Digests) -> None:
    """Leave everything as it is, unless equal pixels lie in two splits.

    Args:
        digests: what `fedgraft.client.cohort.inputs.Inputs.digests` gives.

    Raises:
        DataError: they do.
    """
    cases = [case for some in splits.values() for case in some]
    side = [name for name, some in splits.items() for _ in some]
    found = digests(cases)
    if found is None:
        return
    across = sum(len({side[place] for place in group}) > 1 for group in twins(cases, found))
    if across:
        raise DataError(
            f"{across} image(s) occur in more than one of {', '.join(splits)}: a test would score what was trained on. "
            "Give the copies one `group` in the manifest, or remove them; `fedgraft site check` lists their lines"
        )

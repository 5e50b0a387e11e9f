"""Find duplicate cases, and refuse those that lie in two splits, where test data would have been trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError

Digests = Callable[[Sequence[Case]], Sequence[bytes] | None]


def equal_cases(cases: Sequence[Case], digests: Sequence[bytes]) -> list[tuple[int, ...]]:
    """Indices of cases with equal digests, in groups of two or more."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests[: len(cases)]):
        groups[digest].append(place)
    return [tuple(places) for places in groups.values() if len(places) > 1]


def refuse_across_splits(splits: Mapping[str, Sequence[Case]], digests: Digests) -> None:
    """Check that no two cases with equal digests lie in different splits.

    Args:
        digests: as `fedgraft.client.cohort.inputs.Inputs.digests`.

    Raises:
        DataError: some do.
    """
    cases = [case for some in splits.values() for case in some]
    side = [name for name, some in splits.items() for _ in some]
    found = digests(cases)
    if found is None:
        return
    across = sum(len({side[place] for place in group}) > 1 for group in equal_cases(cases, found))
    if across:
        raise DataError(
            f"{across} case(s) occur in more than one of {', '.join(splits)}: a test would score what was trained on. "
            "Give the copies one `group` in the manifest, or remove them; `fedgraft site check` lists their lines"
        )

"""A site's cases to train, val and test: by unit (patient or group), stratified by class.

A result depends on the set of cases and the seed, never on the order of the cases: units are put in the order
of a hash of their name and the seed.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fedgraft.client.manifest import SPLITS, Case
from fedgraft.common.errors import PlanError

Units = Mapping[str, Sequence[Case]]


def split(
    cases: Iterable[Case], *, val_fraction: float, test_fraction: float, seed: int
) -> dict[str, tuple[Case, ...]]:
    """Split by the manifest's own ``split`` column, or else by fractions of each class's units.

    A class with few units gives the first to train, the second to test, the third to val. Train holds every
    class that the cases have.

    Args:
        cases: all cases of one site.
        val_fraction: of the units, 0 for an empty val.
        test_fraction: of the units, 0 for an empty test.
        seed: another seed, another split.

    Returns:
        ``train``, ``val`` and ``test``, each sorted by path and row.

    Raises:
        PlanError: the fractions are negative or leave nothing to train on.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise PlanError(
            f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction} must be 0 or more, "
            "and their sum less than 1"
        )
    ordered = sorted(cases, key=lambda case: (case.path, -1 if case.row is None else case.row))
    if ordered and all(case.split is not None for case in ordered):
        return {name: tuple(case for case in ordered if case.split == name) for name in SPLITS}
    units = by_unit(ordered)
    names = sorted(units, key=lambda unit: _hash(unit, seed))
    side = _deal(names, units, val_fraction, test_fraction)
    _keep_classes_in_train(names, units, side)
    return {name: tuple(case for case in ordered if side[case.unit] == name) for name in SPLITS}


def by_unit(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """The cases of each unit."""
    units: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        units[case.unit].append(case)
    return dict(units)


def unit_label(cases: Iterable[Case]) -> str:
    """The class that most cases of a unit have; among equals, the first in the alphabet."""
    counts = Counter(case.label for case in cases)
    return min(counts, key=lambda label: (-counts[label], label))


def _deal(names: Sequence[str], units: Units, val_fraction: float, test_fraction: float) -> dict[str, str]:
    """Unit -> train, val or test."""
    classes: dict[str, list[str]] = defaultdict(list)
    for name in names:
        classes[unit_label(units[name])].append(name)
    side = {}
    for members in classes.values():
        tests = _share(len(members), test_fraction, len(members) - 1)
        vals = _share(len(members), val_fraction, len(members) - 1 - tests)
        for position, name in enumerate(members):
            side[name] = "test" if position < tests else "val" if position < tests + vals else "train"
    return side


def _share(count: int, fraction: float, most: int) -> int:
    """``fraction`` of ``count``, rounded; at least 1 if the fraction is not 0; at most ``most``."""
    return 0 if fraction == 0 else min(max(1, math.floor(count * fraction + 0.5)), most)


def _keep_classes_in_train(names: Sequence[str], units: Units, side: dict[str, str]) -> None:
    """Move to train, for a class that only occurs in units of another, its first unit."""
    missing = {case.label for cases in units.values() for case in cases}
    missing -= {case.label for name in names if side[name] == "train" for case in units[name]}
    for label in sorted(missing):
        side[next(name for name in names if any(case.label == label for case in units[name]))] = "train"


def _hash(unit: str, seed: int) -> tuple[bytes, str]:
    return hashlib.blake2b(f"split:{seed}:{unit}".encode(), digest_size=8).digest(), unit

"""Split a site's cases into train, val and test: by unit (`fedgraft.client.cohort.units`), stratified by the task.

Splits depend only on the set of cases and the seed, not on the order of the cases or on their folders. Within a
stratum, units are sorted by a hash of name and seed: the first go to test, the next to val, the rest to train.
One unit more or less therefore moves no unit of another stratum, and at most three of its own, next to the borders
(unless the strata change, or train would lack a class and takes a unit from another part).
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.client.cohort.units import by_unit, unit_names
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.tasks.classification import Classification

Units = Mapping[str, Sequence[Case]]
BY_LABEL = Classification(())


def split(
    cases: Iterable[Case],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int | str,
    task: AnyTask = BY_LABEL,
) -> dict[str, tuple[Case, ...]]:
    """Split by the manifest's own ``split`` column, or else by fractions of each stratum's units.

    The task defines the strata, and what train must contain. Of a stratum with few units the first goes to train, the
    second to test, the third to val. Train contains every class, every finding that occurs, and cases with and without
    the event.

    Args:
        cases: all cases of one site.
        val_fraction: share of the units, 0 for an empty val.
        test_fraction: share of the units, 0 for an empty test.
        seed: of the order of units; at a hospital its own secret.
        task: the plan's.

    Returns:
        ``train``, ``val`` and ``test``, each sorted by path and row.

    Raises:
        PlanError: the fractions are negative or leave nothing to train on.
        DataError: the manifest's ``split`` puts a unit into two splits.
    """
    _check_fractions(val_fraction, test_fraction)
    ordered = sorted(cases, key=lambda case: (case.path, -1 if case.row is None else case.row))
    if ordered and all(case.split is not None for case in ordered):
        return _as_given(ordered)
    names, units = unit_names(ordered), by_unit(ordered)
    drawn = sorted(units, key=lambda unit: _hash(unit, seed))
    side = _assign(drawn, task.strata(units), val_fraction, test_fraction)
    _keep_in_train(drawn, units, task, side)
    placed = [(side[name], case) for name, case in zip(names, ordered, strict=True)]
    return {part: tuple(case for place, case in placed if place == part) for part in SPLITS}


def split_as_planned(cases: Sequence[Case], data: DataSection, seed: int) -> dict[str, tuple[Case, ...]]:
    """`split` by a plan's options and seed, as a simulated site does it.

    Raises:
        DataError: the plan says ``data.test=given``, but the manifest has no ``split``; or as `split`.
    """
    require_given(cases, data)
    return split(
        cases,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        seed=seed,
        task=tasks.of(data),
    )


def require_given(cases: Sequence[Case], data: DataSection) -> None:
    """
    Raises:
        DataError: the plan says ``data.test=given``, but the manifest has no ``split``.
    """
    if data.test == "given" and any(case.split is None for case in cases):
        raise DataError("the plan says data.test=given, but the manifest names no `split`; add the column")


def _check_fractions(val_fraction: float, test_fraction: float) -> None:
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction >= 1:
        raise PlanError(
            f"data.val_fraction={val_fraction} and data.test_fraction={test_fraction} must be 0 or more, "
            "and their sum less than 1"
        )


def _as_given(cases: Sequence[Case]) -> dict[str, tuple[Case, ...]]:
    sides: dict[str, set[str | None]] = defaultdict(set)
    for name, case in zip(unit_names(cases), cases, strict=True):
        sides[name].add(case.split)
    parted = sum(len(some) > 1 for some in sides.values())
    if parted:
        raise DataError(
            f"{parted} patient(s) or group(s) have cases on two sides of the manifest's own `split`; name one side for "
            "all cases of each"
        )
    return {name: tuple(case for case in cases if case.split == name) for name in SPLITS}


def _assign(
    drawn: Sequence[str], stratum: Mapping[str, str], val_fraction: float, test_fraction: float
) -> dict[str, str]:
    """The split of each unit: train, val or test."""
    strata: dict[str, list[str]] = defaultdict(list)
    for name in drawn:
        strata[stratum[name]].append(name)
    side = {}
    for members in strata.values():
        tests = _share(len(members), test_fraction, len(members) - 1)
        vals = _share(len(members), val_fraction, len(members) - 1 - tests)
        for position, name in enumerate(members):
            side[name] = "test" if position < tests else "val" if position < tests + vals else "train"
    return side


def _share(count: int, fraction: float, most: int) -> int:
    """``fraction`` of ``count``, rounded; at least 1 if the fraction is not 0; at most ``most``."""
    return 0 if fraction == 0 else min(max(1, math.floor(count * fraction + 0.5)), most)


def _keep_in_train(drawn: Sequence[str], units: Units, task: AnyTask, side: dict[str, str]) -> None:
    """For each class, finding or event that no training case has, move the first unit that has it to train."""
    has = {name: {one for case in units[name] for one in task.has(case)} for name in drawn}
    trained = set().union(*(has[name] for name in drawn if side[name] == "train"))
    for one in sorted(set().union(*has.values()) - trained):
        side[next(name for name in drawn if one in has[name])] = "train"


def _hash(unit: str, seed: int | str) -> tuple[bytes, str]:
    return hashlib.blake2b(f"split:{seed}:{unit}".encode(), digest_size=8).digest(), unit

"""Keep few training cases per class and site, for the question how many a federation needs.

Whole units (patients, or groups of near-duplicates) are kept, in an order drawn by the seed: the units that are kept
for 10 cases are among those for 25. Validation and test cases stay as they are.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.units import by_unit, unit_names
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned


@dataclass(frozen=True)
class Kept:
    """The training cases of one class at one site: how many are kept, and of how many."""

    kept: int
    of: int


Taken = Mapping[str, Mapping[str, Kept]]
"""By site and class."""


def with_few(plan: Plan, partitioned: Partitioned, size: float) -> tuple[Partitioned, Taken]:
    """The same sites with at most ``size`` training cases of each class.

    Of each class at least one unit is kept, even if it has more cases. A unit with cases of several classes counts as
    of the one that most of them have. Sites in ``hold_out``, which never train, stay as they are.

    Args:
        partitioned: each case has its ``split``.

    Raises:
        PlanError: a class that a site trains on is only in units that count as of another class, and none is kept.
    """
    task, sites = tasks.of(plan.data), dict(partitioned.sites)
    taken: dict[str, dict[str, Kept]] = {}
    for site, cases in partitioned.sites.items():
        if site in plan.hold_out:
            continue
        training = [case for case in cases if case.split == "train"]
        chosen = few(training, size, plan.seed, task)
        before, after = (Counter(case.label for case in some) for some in (training, chosen))
        lost = sorted(set(before) - set(after))
        if lost:
            raise PlanError(
                f"cases={size} would leave {site} no training case of {', '.join(lost)}, which is only in patients or "
                "groups with more cases of another class; use a larger number"
            )
        dropped = set(training) - set(chosen)
        sites[site] = tuple(case for case in cases if case not in dropped)
        taken[site] = {label: Kept(after[label], before[label]) for label in sorted(before)}
    return replace(partitioned, sites=sites), taken


def few(cases: Sequence[Case], size: float, seed: int, task: AnyTask) -> list[Case]:
    """The cases of the first units of each stratum, in their order here: as many units as have at most ``size`` cases
    together, and at least one."""
    units = by_unit(cases)
    stratum = task.strata(units)
    members: dict[str, list[str]] = defaultdict(list)
    for unit in sorted(units, key=lambda name: _hash(name, seed)):
        members[stratum[unit]].append(unit)
    kept: set[str] = set()
    for some in members.values():
        count = 0
        for place, unit in enumerate(some):
            count += len(units[unit])
            if place and count > size:
                break
            kept.add(unit)
    return [case for case, unit in zip(cases, unit_names(cases), strict=True) if unit in kept]


def _hash(unit: str, seed: int) -> tuple[bytes, str]:
    return hashlib.blake2b(f"cases:{seed}:{unit}".encode(), digest_size=8).digest(), unit

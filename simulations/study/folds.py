"""Deal every site's cases into folds, so that each case is a test case once (cross-validation at every site).

Units (patients, or groups of near-duplicates) are never split over folds. Within a stratum of the task they are sorted
by a hash of name and seed and dealt in turn, so that each fold gets as many of each stratum, and of all units, as every
other, plus or minus one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.splits import split
from fedgraft.client.cohort.units import by_unit, unit_names
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned


def deal(cases: Sequence[Case], folds: int, seed: int, task: AnyTask) -> list[int]:
    """The fold of each case of one site, from 0 to ``folds`` - 1."""
    units = by_unit(cases)
    stratum = task.strata(units)
    members: dict[str, list[str]] = defaultdict(list)
    for unit in sorted(units, key=lambda name: _hash(name, seed)):
        members[stratum[unit]].append(unit)
    ordered = [unit for name in sorted(members) for unit in members[name]]
    fold_of = {unit: place % folds for place, unit in enumerate(ordered)}
    return [fold_of[name] for name in unit_names(cases)]


def with_fold(plan: Plan, partitioned: Partitioned, folds: int, fold: int) -> Partitioned:
    """The same sites; of each, the cases of one fold are test, ``data.val_fraction`` of the others val, the rest train.

    Args:
        fold: from 0 to ``folds`` - 1.
    """
    task = tasks.of(plan.data)
    sites = {}
    for site, cases in partitioned.sites.items():
        dealt = deal(cases, folds, plan.seed, task)
        others = [replace(case, split=None) for case, own in zip(cases, dealt, strict=True) if own != fold]
        parts = split(others, val_fraction=plan.data.val_fraction, test_fraction=0.0, seed=plan.seed, task=task)
        side = {replace(case, split=None): name for name, some in parts.items() for case in some}
        sites[site] = tuple(replace(case, split=side.get(replace(case, split=None), "test")) for case in cases)
    return replace(partitioned, sites=sites)


def require_dealable(plan: Plan, partitioned: Partitioned, folds: int) -> None:
    """Check that each site has a unit of each of its classes (findings, events) for every fold, and test cases in each
    fold that may leave it.

    Raises:
        PlanError: one has not; names the sites.
    """
    task = tasks.of(plan.data)
    problems = []
    for site, cases in partitioned.sites.items():
        file = partitioned.files.get(site)
        least = (ReleasePolicy() if file is None else file.release).min_count
        problems += _problems(site, cases, deal(cases, folds, plan.seed, task), folds, least, task)
    if problems:
        raise PlanError(problems)


def _problems(
    site: str, cases: Sequence[Case], dealt: Sequence[int], folds: int, least: int, task: AnyTask
) -> list[str]:
    units: dict[str, set[str]] = defaultdict(set)
    tested: dict[str, set[int]] = defaultdict(set)
    for case, unit, fold in zip(cases, unit_names(cases), dealt, strict=True):
        for one in task.has(case):
            units[one].add(unit)
            tested[one].add(fold)
    few = [f"{one} ({len(some)})" for one, some in sorted(units.items()) if len(some) < folds]
    if few:
        return [
            f"folds={folds}: {site} has fewer patients or groups than folds of {', '.join(few)}; use fewer folds, or a "
            "partition that gives each site more of them"
        ]
    once = [one for one, some in sorted(tested.items()) if len(some) == 1]
    if once:
        return [f"folds={folds}: with this seed, all cases of {', '.join(once)} at {site} are in one fold; use another"]
    smallest = min(_sizes(dealt, folds))
    if smallest < least:
        return [
            f"folds={folds}: a fold of {site} has {smallest} cases, and an evaluation of fewer than its "
            f"release.min_count={least} never leaves a site; use fewer folds"
        ]
    return []


def _sizes(dealt: Sequence[int], folds: int) -> list[int]:
    return [dealt.count(fold) for fold in range(folds)]


def _hash(unit: str, seed: int) -> tuple[bytes, str]:
    return hashlib.blake2b(f"fold:{seed}:{unit}".encode(), digest_size=8).digest(), unit


def as_given(plan: Plan) -> Plan:
    """The plan for cases whose split is written into the sites' manifests already."""
    if plan.data.test != "sites":
        return plan
    return replace(plan, data=replace(plan.data, test="given", val_fraction=0.0, test_fraction=0.0))

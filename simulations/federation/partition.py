"""Partition the cases of a data set over simulated sites.

A unit (`fedgraft.client.cohort.units`: a patient, or a group of near-duplicates) is never split over sites. Each
function is named in ``conf/partition`` and returns the cases by site name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.splits import BY_LABEL
from fedgraft.client.cohort.units import by_unit, unit_names
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.tasks.classification import most_frequent_label
from fedgraft.simulations.datasets.source import Source

Parts = dict[str, tuple[Case, ...]]
TRIES = 1000


def by_site(source: Source) -> Parts:
    """One site for each hospital that the data set names.

    Raises:
        PlanError: it names none, or one unit has cases at two.
    """
    if source.site_of is None:
        hint = f"{source.site_hint}, or " if source.site_hint else ""
        raise PlanError(
            "partition=by_site needs a data set that names its hospitals, and this one does not; "
            f"{hint}use partition=iid, partition=dirichlet or partition=quantity"
        )
    parts: dict[str, list[Case]] = defaultdict(list)
    home: dict[str, str] = {}
    for case, unit, site in zip(source.cases, unit_names(source.cases), source.site_of, strict=True):
        if home.setdefault(unit, site) != site and not source.own_patients:
            raise PlanError(
                f"partition=by_site: a patient or group has cases at {home[unit]} and {site}; "
                "use another partition, or patient names that differ between hospitals"
            )
        parts[site].append(case)
    return {site: tuple(parts[site]) for site in sorted(parts)}


def iid(source: Source, *, sites: int, seed: int) -> Parts:
    """Assign units in random order to sites of equal size.

    Raises:
        PlanError: ``sites`` is below 1, or there are fewer units than sites.
    """
    return _assign_by_shares(source, np.full(_checked(sites), 1.0), seed)


def quantity(source: Source, *, sites: int, exponent: float, seed: int) -> Parts:
    """Assign units in random order to sites of different size: the k-th's is proportional to ``k ** -exponent``.

    Args:
        exponent: 0 for equal sites; at 1 the first site is ``sites`` times as large as the last.

    Raises:
        PlanError: ``sites`` or ``exponent`` is out of range, or a site is left without cases.
    """
    if exponent < 0:
        raise PlanError(f"partition.exponent={exponent} must be 0 (equal sites) or more")
    ranks = np.arange(1, _checked(sites) + 1, dtype=np.float64)
    return _assign_by_shares(source, ranks**-exponent, seed)


def dirichlet(
    source: Source, *, sites: int, alpha: float, seed: int, min_cases: int = 1, task: AnyTask = BY_LABEL
) -> Parts:
    """Label skew: each stratum (in classification a class) is split over sites by shares from Dirichlet(alpha, ...).

    After Yurochkin et al., Bayesian nonparametric federated learning of neural networks, ICML 2019, who draw
    each class's shares over the sites; Hsu et al., arXiv:1909.06335, 2019, draw each site's shares of the
    classes. A small ``alpha`` gives sites with few classes; a large one is like `iid`. Drawn anew, at most
    `TRIES` times, until each site has ``min_cases``. The task decides to which stratum a unit belongs.

    Raises:
        PlanError: an option is out of range, or no draw gives each site ``min_cases``.
    """
    if alpha <= 0:
        raise PlanError(f"partition.alpha={alpha} must be above 0")
    if min_cases < 1:
        raise PlanError(f"partition.min_cases={min_cases} must be at least 1: a site needs cases")
    units = by_unit(source.cases)
    stratum = task.strata(units)
    classes: dict[str, list[str]] = defaultdict(list)
    for unit in sorted(units):
        classes[stratum[unit]].append(unit)
    rng = np.random.default_rng(seed)
    names = site_names(_checked(sites))
    ordered = [unit for label in sorted(classes) for unit in classes[label]]
    sizes = [len(units[unit]) for unit in ordered]
    for _ in range(TRIES):
        owner = np.concatenate([_cut(len(classes[label]), sites, alpha, rng) for label in sorted(classes)])
        if np.bincount(owner, weights=sizes, minlength=sites).min() >= min_cases:
            return _parts(source, names, dict(zip(ordered, owner.tolist(), strict=True)))
    raise PlanError(
        f"partition=dirichlet: none of {TRIES} draws gave each of {sites} sites {min_cases} of the "
        f"{len(source.cases)} cases; raise partition.alpha ({alpha}), or lower partition.sites or "
        "partition.min_cases"
    )


def site_names(sites: int) -> tuple[str, ...]:
    """``site-01``, ``site-02``, ..., with enough digits for alphabetical order."""
    width = max(2, len(str(sites)))
    return tuple(f"site-{number:0{width}d}" for number in range(1, sites + 1))


def _checked(sites: int) -> int:
    if sites < 1:
        raise PlanError(f"partition.sites={sites} must be at least 1")
    return sites


def _assign_by_shares(source: Source, shares: NDArray[np.float64], seed: int) -> Parts:
    """Assign each unit, in random order, to the site that still lacks most cases of its share."""
    units = by_unit(source.cases)
    wanted = shares / shares.sum() * len(source.cases)
    order = np.random.default_rng(seed).permutation(sorted(units))
    owner = {}
    for unit in order.tolist():
        site = int(np.argmax(wanted))
        owner[unit] = site
        wanted[site] -= len(units[unit])
    return _nonempty(_parts(source, site_names(len(shares)), owner))


def _cut(units: int, sites: int, alpha: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """``(units,)`` int64: the site of each unit of one stratum, by shares drawn from Dirichlet(alpha, ...)."""
    shares = rng.dirichlet(np.full(sites, alpha))
    ends = np.rint(np.cumsum(shares) * units)
    sorted_owner = np.searchsorted(ends[:-1], np.arange(units), side="right")
    return rng.permutation(sorted_owner)


def _parts(source: Source, names: Sequence[str], owner: Mapping[str, int]) -> Parts:
    lists: dict[str, list[Case]] = {name: [] for name in names}
    for case, unit in zip(source.cases, unit_names(source.cases), strict=True):
        lists[names[owner[unit]]].append(case)
    return {name: tuple(cases) for name, cases in lists.items()}


def _nonempty(parts: Parts) -> Parts:
    empty = [name for name, cases in parts.items() if not cases]
    if empty:
        raise PlanError(
            f"the partition leaves {len(empty)} of {len(parts)} sites without cases: {', '.join(empty)}; "
            "lower partition.sites (or partition.exponent, if the partition has one)"
        )
    return parts


def thinned(
    source: Source, *, sites: int, seed: int, rare_sites: int, prevalence: float, rare_class: str | None = None
) -> Parts:
    """Like `iid`, but at the first ``rare_sites`` sites random units of one class are dropped until it is rare.

    If the data set has its own split, each part is thinned separately, so that the class is equally rare in all. A site
    so small that even one case would be too many keeps none.

    Args:
        rare_sites: from 1 to ``sites``.
        prevalence: the largest share of the class among a site's cases; between 0 and 1.
        rare_class: a label of the data set, or ``None`` for its rarest; a unit counts as of the class that most of its
            cases have.

    Raises:
        PlanError: an option is out of range, no case has the class, or no case would be dropped.
    """
    if not 0 < prevalence < 1:
        raise PlanError(f"partition.prevalence={prevalence} must lie between 0 and 1")
    if not 1 <= rare_sites <= sites:
        raise PlanError(f"partition.rare_sites={rare_sites} must be at least 1 and at most partition.sites={sites}")
    rare = _rare_label(source, rare_class)
    parts = iid(source, sites=sites, seed=seed)
    rng = np.random.default_rng([seed, rare_sites])
    found = dict(parts)
    for name in list(parts)[:rare_sites]:
        found[name] = _thin(parts[name], rare, prevalence, rng)
    if found == parts:
        raise PlanError(
            f"partition=thinned drops no case: {rare} is at most {prevalence:.2%} of the cases at those sites "
            "already; lower partition.prevalence, or use partition=iid"
        )
    return found


def _rare_label(source: Source, named: str | None) -> str:
    counts = Counter(case.label for case in source.cases)
    if len(counts) < 2:
        raise PlanError("partition=thinned needs cases of two classes or more; use another partition")
    if named is None:
        return min(counts, key=lambda label: (counts[label], label))
    if named not in counts:
        known = ", ".join(sorted(counts))
        raise PlanError(f"partition.rare_class={named} is the label of no case; the data set has: {known}")
    return named


def _thin(cases: Sequence[Case], rare: str, prevalence: float, rng: np.random.Generator) -> tuple[Case, ...]:
    """The cases that one site keeps, in their order."""
    kept: set[Case] = set()
    for split in sorted({case.split or "" for case in cases}):
        kept |= _kept([case for case in cases if (case.split or "") == split], rare, prevalence, rng)
    return tuple(case for case in cases if case in kept)


def _kept(cases: Sequence[Case], rare: str, prevalence: float, rng: np.random.Generator) -> set[Case]:
    units = by_unit(cases)
    few = sorted(name for name, some in units.items() if most_frequent_label(some) == rare)
    kept = {case for name, some in units.items() if name not in few for case in some}
    count = sum(case.label == rare for case in kept)
    for place in rng.permutation(len(few)).tolist():
        unit = units[few[place]]
        more = count + sum(case.label == rare for case in unit)
        if more <= prevalence * (len(kept) + len(unit)):
            kept, count = kept | set(unit), more
    return kept

"""Hospitals of which some rarely see a class that the others have as often as the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fedgraft.client.manifest import Case
from fedgraft.client.splits import unit_label
from fedgraft.client.units import by_unit
from fedgraft.common.errors import PlanError
from fedgraft.simulations.datasets import Source
from fedgraft.simulations.partition import Parts, iid


def thinned(
    source: Source, *, sites: int, seed: int, rare_sites: int, prevalence: float, rare_class: str | None = None
) -> Parts:
    """Like `iid`, but at the first ``rare_sites`` sites units of one class are dropped until it is rare there.

    Which units stay is drawn. Where the data set brings its own split, each part is thinned by itself, so that what is
    trained on, chosen by and tested on is equally rare. A site so small that even one case is too many keeps none.

    Args:
        rare_sites: from 1 to ``sites``.
        prevalence: the most that the class makes of a site's cases; between 0 and 1.
        rare_class: a label of the data set, or ``None`` for its rarest; a unit goes by the class that most of its cases
            have.

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
    """The cases of one site, in their order, without those that are dropped."""
    kept: set[Case] = set()
    for split in sorted({case.split or "" for case in cases}):
        kept |= _kept([case for case in cases if (case.split or "") == split], rare, prevalence, rng)
    return tuple(case for case in cases if case in kept)


def _kept(cases: Sequence[Case], rare: str, prevalence: float, rng: np.random.Generator) -> set[Case]:
    units = by_unit(cases)
    few = sorted(name for name, some in units.items() if unit_label(some) == rare)
    kept = {case for name, some in units.items() if name not in few for case in some}
    count = sum(case.label == rare for case in kept)
    for place in rng.permutation(len(few)).tolist():
        unit = units[few[place]]
        more = count + sum(case.label == rare for case in unit)
        if more <= prevalence * (len(kept) + len(unit)):
            kept, count = kept | set(unit), more
    return kept

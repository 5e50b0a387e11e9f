"""The draws of a study: for each seed, each number of training cases and each fold, which case is trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.options import ALL, Size, Study
from fedgraft.simulations.study.folds import as_given, with_fold
from fedgraft.simulations.study.learning_curve.few_cases import Taken, with_few
from fedgraft.simulations.study.splits import with_splits


@dataclass(frozen=True)
class Draw:
    """``fold``: from 1, or ``None`` without folds. ``size``: training cases per class and site, or ``None`` if the
    study does not ask for that."""

    fold: int | None = None
    size: Size | None = None

    @property
    def is_thinned(self) -> bool:
        return self.size not in (None, ALL)

    @property
    def folders(self) -> tuple[str, ...]:
        """Where its runs lie: ``cases-25/fold-1``."""
        size = () if self.size is None else (f"cases-{self.size}",)
        return size if self.fold is None else (*size, f"fold-{self.fold}")

    @property
    def words(self) -> str:
        """``, cases 25, fold 1``; empty for the only draw of a seed."""
        return "".join(f", {name.replace('-', ' ')}" for name in self.folders)


@dataclass(frozen=True)
class Drawn:
    """A draw's plan, the sites' cases with their splits, and how many training cases of each class are kept."""

    draw: Draw
    plan: Plan
    partitioned: Partitioned
    taken: Taken = field(default_factory=dict)


def draws(study: Study) -> list[Draw]:
    """All draws of a seed, sizes first."""
    folds = [None] if study.folds is None else range(1, study.folds + 1)
    return [Draw(fold, size) for size in study.sizes or (None,) for fold in folds]


def drawn(plan: Plan, study: Study, partitioned: Partitioned, draw: Draw, environ: Mapping[str, str]) -> Drawn:
    """One draw of a seed.

    Raises:
        PlanError: as `with_few`.
    """
    if draw == Draw():
        return Drawn(draw, plan, partitioned)
    if study.folds is not None and draw.fold is not None:
        partitioned = with_fold(plan, partitioned, study.folds, draw.fold - 1)
    else:
        sites = {site: with_splits(plan, cases, environ) for site, cases in partitioned.sites.items()}
        partitioned = replace(partitioned, sites=sites)
    given = as_given(plan)
    if draw.size is None:
        return Drawn(draw, given, partitioned)
    return Drawn(draw, given, *with_few(plan, partitioned, math.inf if draw.size == ALL else draw.size))

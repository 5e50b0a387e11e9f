"""Out-of-fold figures: the evaluations of a site's folds, merged so that each of its cases counts once.

Each case is scored by a model that was trained without its fold. Counts and score histograms are summed
(`fedgraft.common.interfaces.task.Task.merge`), so that a figure is that of all scores together: AUROC compares the
scores of different folds' models too. The C-index of a survival task compares pairs within a fold.

With ``select=best`` all folds have the model of one round, that with the best mean of the folds' validation figures:
rounds chosen for each fold alone (ridges of ``strategy=exact``, for instance) would give scores of different scales.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import area_within
from fedgraft.server.reports.summary import evaluation_figures
from fedgraft.simulations.study.figures import Figure, plain, spread

Merged = Mapping[str, Evaluation]
"""By site, the evaluation of all its cases."""


class RoundScores(NamedTuple):
    """The model of one round: its validation figure, and its evaluations on test cases by site."""

    val: Figure
    evaluations: Mapping[str, Evaluation]


class Scored(Protocol):
    """The parts of a training that are read here (`fedgraft.simulations.study.summary.Trained`)."""

    @property
    def fold(self) -> int | None: ...

    @property
    def evaluations(self) -> Mapping[str, Evaluation]: ...

    @property
    def name(self) -> str: ...

    @property
    def rounds(self) -> Sequence[RoundScores]: ...


def of_one_round(trained: Sequence[Scored], folds: int) -> list[Mapping[str, Evaluation]]:
    """The evaluations of one training's folds, of the round that is best over all folds; of each fold's final model, if
    rounds were not chosen, or a site has no evaluation of each."""
    sites = {frozenset(one.evaluations) for one in trained}
    rounds = [one.rounds for one in trained]
    same = len({len(some) for some in rounds}) == 1 and len(sites) == 1 and len(trained) == folds
    if not same or not rounds[0] or not all(set(next(iter(sites))) <= set(r.evaluations) for s in rounds for r in s):
        return [one.evaluations for one in trained]
    figures = [[some[number].val for some in rounds] for number in range(len(rounds[0]))]
    known = {k: math.fsum(f for f in of if f is not None) for k, of in enumerate(figures) if None not in of}
    if not known:
        return [one.evaluations for one in trained]
    best = max(known, key=lambda number: (known[number], -number))
    return [some[best].evaluations for some in rounds]


def scored_once(trained: Sequence[Scored], folds: int | None, task: AnyTask) -> Merged:
    """The merged evaluations of a method and a seed. A site without an evaluation of one of the folds is missing."""
    if folds is None:
        return {}
    parts: dict[str, dict[int | None, Evaluation]] = {}
    for name in dict.fromkeys(one.name for one in trained):
        some = [one for one in trained if one.name == name]
        for one, evaluations in zip(some, of_one_round(some, folds), strict=True):
            for site in one.evaluations:
                parts.setdefault(site, {})[one.fold] = evaluations[site]
    return {site: task.merge(list(held.values())) for site, held in parts.items() if len(held) == folds}


def figures_by_site(merged: Merged, sites: Sequence[str], task: AnyTask) -> dict[str, dict[str, Any]]:
    """All figures by site; undefined, of 0 cases, where a fold is missing."""
    return {site: evaluation_figures(task, merged.get(site)) for site in sites}


def all_cases(merged: Mapping[str, Sequence[Merged]], task: AnyTask) -> dict[str, dict[str, Any]]:
    """By method, the headline figure of all sites' cases together: ``mean``, ``sd``, ``values`` and ``cases`` by seed.

    Only sites that every method has scored count, not counting methods that scored none at all.
    """
    there = [by_seed for by_seed in merged.values() if any(by_seed)]
    found = {}
    for method, by_seed in merged.items():
        figures = []
        for seed, some in enumerate(by_seed):
            common = [some[site] for site in sorted(some) if all(site in other[seed] for other in there)]
            figures.append(evaluation_figures(task, task.merge(common) if common else None))
        values = plain(spread([one[task.headline] for one in figures]))
        found[method] = {**values, "cases": [one["cases"] for one in figures]}
    return found


def within_sites(merged: Sequence[Merged]) -> dict[str, Any]:
    """The AUROC over pairs of cases of the same site, whatever sites have in common: ``mean``, ``sd``, ``values``."""
    areas = [area_within(list(by_site.values())) if by_site else None for by_site in merged]
    return plain(spread([None if one is None else one.value for one in areas]))

"""Out-of-fold figures: the evaluations of a site's folds, merged so that each of its cases counts once.

Each case is scored by a model that was trained without its fold. Counts and score histograms are summed
(`fedgraft.common.interfaces.task.Task.merge`), so that a figure is that of all scores together: AUROC compares the
scores of different folds' models too. The C-index of a survival task compares pairs within a fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.server.reports.summary import evaluation_figures
from fedgraft.simulations.study.figures import plain, spread

Merged = Mapping[str, Evaluation]
"""By site, the evaluation of all its cases."""


class Scored(Protocol):
    """The parts of a training that are read here (`fedgraft.simulations.study.summary.Trained`)."""

    @property
    def fold(self) -> int | None: ...

    @property
    def evaluations(self) -> Mapping[str, Evaluation]: ...


def scored_once(trained: Sequence[Scored], folds: int | None, task: AnyTask) -> Merged:
    """The merged evaluations of a method and a seed. A site without an evaluation of one of the folds is missing."""
    if folds is None:
        return {}
    parts: dict[str, dict[int | None, Evaluation]] = {}
    for one in trained:
        for site, evaluation in one.evaluations.items():
            parts.setdefault(site, {})[one.fold] = evaluation
    return {site: task.merge(list(some.values())) for site, some in parts.items() if len(some) == folds}


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

"""What a site's own page shows: score counts, calibration and thresholds of the model, figures of groups of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.own_report.own_cases import OwnCases
from fedgraft.common.calibration import calibration as calibrations
from fedgraft.common.calibration.calibration import Maps, raw
from fedgraft.common.calibration.figures import mapped
from fedgraft.common.decisions import decisions as decided
from fedgraft.common.decisions.decisions import rules_of
from fedgraft.common.decisions.figures import AtThreshold, at_threshold
from fedgraft.common.decisions.group_figures import group_figures
from fedgraft.common.errors import ModelError
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.tasks.metrics import count_places, places

Cuts = tuple[float | None, ...]


@dataclass(frozen=True)
class Judged:
    """How the model's scores are read.

    Attributes:
        maps: by scored class, to calibrated log odds.
        cuts: by scored class, the log odds from which on a case is called positive; ``None``: not known.
        calibration, thresholds: in words, where they are from.
    """

    maps: Maps
    cuts: Cuts
    calibration: str
    thresholds: str


def judged(own: OwnCases, site: str, model: Path | None) -> Judged:
    """By the model folder if one is named; else uncalibrated, with thresholds of the site's own validation cases.

    Raises:
        ModelError: the folder is damaged, or of another model than the one that was evaluated.
    """
    data = own.plan.data
    maps, cuts = raw(data.task, data.classes).maps(site), _own_cuts(own)
    calibration = "as the model gives them, not calibrated (name the model's folder by --model)"
    at = own.plan.decide.at
    thresholds = f"chosen on this hospital's own validation cases ({at})"
    if model is not None:
        folder = open_model(model)
        if (folder.about.plan_digest, folder.about.shared_digest) != (own.plan.digest, own.shared):
            raise ModelError(f"{model} is not the model that this site evaluated last, which its predictions are of")
        if folder.calibration is not None:
            found = calibrations.from_json(folder.calibration)
            maps, calibration = found.maps(site), f"calibrated by “{found.method}”"
        if folder.decisions is not None:
            cuts = decided.from_json(folder.decisions).rules(site).thresholds
            thresholds = f"those that come with the model ({at})"
    if not any(cut is not None for cut in cuts):
        thresholds = "not known: there are no validation cases of both sides"
    return Judged(maps, cuts, calibration, thresholds)


def counts_of(own: OwnCases, among: Sequence[int]) -> tuple[ScoreCounts, ...]:
    """The score counts of the cases at these places, by scored class, binned as they leave the site."""
    values, positive = own.values[list(among)], own.positive()[list(among)]
    return tuple(_counts(values[:, place], positive[:, place]) for place in range(values.shape[1]))


def _counts(values: NDArray[np.float64], positive: NDArray[np.float64]) -> ScoreCounts:
    known = ~np.isnan(positive)
    return count_places(places(values[known, None], positive[known, None] > 0), 1).score_counts()[0]


def _own_cuts(own: OwnCases) -> Cuts:
    counts = counts_of(own, own.of("val")) if own.task.has_probabilities else ()
    return rules_of(own.task, own.plan.decide, None, counts).thresholds


def called(counts: ScoreCounts, cut: float | None) -> AtThreshold | None:
    """Cases by truth and call; ``None`` without a threshold."""
    return None if cut is None else at_threshold(counts, cut)


def figures_of(own: OwnCases, rules: Judged, among: Sequence[int], place: int) -> dict[str, Any]:
    """The figures of the cases at these places for one scored class: ``cases``, ``prevalence``, and
    `fedgraft.common.decisions.group_figures.group_figures`."""
    counts = counts_of(own, among)[place]
    cases, sick = counts.cases, int(counts.positives.sum())
    known = group_figures(counts, mapped(counts, rules.maps[place]), called(counts, rules.cuts[place]), own.plan.seed)
    return {"cases": cases, "prevalence": sick / cases if cases else None, **known}


@dataclass(frozen=True)
class Doubt:
    """A case near a threshold or called wrongly: for which class or finding, its probability, whether it has it
    (``None``: unknown), whether the call is wrong, and how far from the threshold, in log odds."""

    name: str
    split: str
    scored: str
    probability: float
    has: bool | None
    wrong: bool
    distance: float


def doubts(own: OwnCases, rules: Judged) -> list[Doubt]:
    """For each case, the class or finding that it is nearest to the threshold of, the nearest case first; empty without
    thresholds."""
    return sorted(_every(own, rules, nearest=True), key=lambda one: (one.distance, one.name))


def wrong_and_sure(own: OwnCases, rules: Judged) -> list[Doubt]:
    """Wrong calls, the one farthest from its threshold first."""
    found = [one for one in _every(own, rules, nearest=False) if one.wrong]
    return sorted(found, key=lambda one: (-one.distance, one.name))


def _every(own: OwnCases, rules: Judged, nearest: bool) -> list[Doubt]:
    asked = [place for place, cut in enumerate(rules.cuts) if cut is not None]
    if not asked or not len(own.names):
        return []
    cuts, positive = np.array([rules.cuts[place] for place in asked], np.float64), own.positive()[:, asked]
    values = own.values[:, asked]
    p = np.stack([1 / (1 + np.exp(-rules.maps[place](own.values[:, place]))) for place in asked], axis=1)
    wrong = ~np.isnan(positive) & ((values >= cuts) != (positive > 0))
    far: NDArray[np.float64] = np.abs(values - cuts)
    found = []
    for row in range(len(values)):
        for at in [int(far[row].argmin())] if nearest else range(len(asked)):
            side = positive[row, at]
            has = None if np.isnan(side) else bool(side > 0)
            found.append(
                Doubt(
                    own.names[row],
                    own.splits[row],
                    own.task.scored[asked[at]],
                    float(p[row, at]),
                    has,
                    bool(wrong[row, at]),
                    float(far[row, at]),
                )
            )
    return found

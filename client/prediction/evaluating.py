"""Evaluate a model on all cases of a site (external validation): figures with intervals, decisions, calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.prediction.deciding import maps_of
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.client.prediction.predicting import Desk, Predictions, predict_cases
from fedgraft.common.calibration.figures import figures, mapped
from fedgraft.common.decisions.figures import at_threshold, held, with_interval
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask, Evaluation

DRAWS = 400
"""Bootstrap draws of patients."""
Outputs = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """All usable cases of a manifest: their ``evaluation``, and its ``figures`` as JSON, which stay at the site."""

    evaluation: Evaluation
    figures: dict[str, Any]


def evaluate_all(loaded: LoadedModel, listed: Sequence[Case], desk: Desk) -> Evaluated:
    """Evaluate a model over all usable cases of a manifest.

    In `Evaluated.figures`, ``figures`` are the task's, each with the interval that holds 95 of 100 bootstrap draws of
    patients (Efron & Tibshirani 1993, section 13.3); ``None`` = undefined. ``calibration``, ``decisions`` and ``flags``
    are by what lies beside the model, and are left out where nothing does.

    Raises:
        DataError: a label can't be read, no case can be used, or as `predict_cases`.
    """
    found = predict_cases(loaded, listed, desk)
    labels = found.task.targets(found.cases).numpy()[found.verdicts == USABLE]
    if not len(found.outputs):
        raise DataError(f"no case can be used: {', '.join(f'{a} {b}' for a, b in found.quarantined.items())}")
    patients = [case.patient for case, verdict in zip(found.cases, found.verdicts, strict=True) if verdict == USABLE]
    evaluation = found.task.evaluate_parts(found.outputs, labels, [len(labels)])[0]
    site = None if loaded.site is None else loaded.site.name
    plain = {
        "cases": len(labels),
        "patients": len(set(patients)),
        "quarantined": found.quarantined,
        "figures": _with_intervals(found.task, evaluation, found.outputs, labels, patients),
        **_calibration(loaded, found.task, evaluation, site),
        **_decisions(loaded, found.task, evaluation, site),
        **_flags(found),
        "notes": list(found.notes),
    }
    return Evaluated(evaluation, plain)


def _with_intervals(
    task: AnyTask, evaluation: Evaluation, outputs: Outputs, labels: NDArray[Any], patients: Sequence[str]
) -> dict[str, Any]:
    _, who = np.unique(np.array(patients), return_inverse=True)
    rows = [np.flatnonzero(who == one) for one in range(who.max() + 1)]
    rng, draws = np.random.default_rng(0), []
    for _ in range(DRAWS):
        some = np.concatenate([rows[one] for one in rng.integers(0, len(rows), len(rows))])
        draws.append(task.evaluate_parts(outputs[some], labels[some], [len(some)])[0].figures())
    return {
        name: {"value": _short(value), **_interval([draw[name] for draw in draws])}
        for name, value in evaluation.figures().items()
    }


def _interval(drawn: Sequence[float | None]) -> dict[str, float | None]:
    """The 2.5 % and 97.5 % points; undefined if the figure is undefined in more than a twentieth of the draws."""
    defined = [value for value in drawn if value is not None]
    if len(defined) < 0.95 * len(drawn):
        return {"low": None, "high": None}
    low, high = np.quantile(defined, (0.025, 0.975)).tolist()
    return {"low": _short(low), "high": _short(high)}


def _calibration(loaded: LoadedModel, task: AnyTask, evaluation: Evaluation, site: str | None) -> dict[str, Any]:
    if not task.has_probabilities:
        return {}
    counts = evaluation.score_counts()
    maps = maps_of(loaded.calibration, len(task.scored), site, None)
    after = {
        name: _plain(mapped(counts[place], one))
        for place, (name, one) in enumerate(zip(task.scored, maps, strict=True))
    }
    raw = {name: _plain(counts[place]) for place, name in enumerate(task.scored)}
    return {"calibration": {"raw": raw, **({} if loaded.calibration is None else {"calibrated": after})}}


def _decisions(loaded: LoadedModel, task: AnyTask, evaluation: Evaluation, site: str | None) -> dict[str, Any]:
    """At the operating point, and what the sets held."""
    if loaded.decisions is None:
        return {}
    counts, rules = evaluation.score_counts(), loaded.decisions.rules(site)
    limits = [math.inf if limit is None else limit for limit in rules.limits]
    sets = held(task.answers, limits, counts)
    return {
        "decisions": {
            "at": loaded.decisions.section.at,
            "coverage": loaded.decisions.section.coverage,
            "thresholds": {
                name: None if limit is None else at_threshold(counts[place], limit).figures()
                for place, (name, limit) in enumerate(zip(task.scored, rules.thresholds, strict=True))
            },
            "sets": {
                f"{answer.question}={answer.name}": with_interval(one.covered, one.cases)
                for answer, one in zip(task.answers, sets, strict=True)
                if answer.question not in loaded.decisions.without_sets
            },
            **({"raw_because": dict(loaded.decisions.because)} if loaded.decisions.because else {}),
        }
    }


def _flags(found: Predictions) -> dict[str, Any]:
    if found.decided is None:
        return {}
    flagged = sum(map(bool, found.decided.why))
    return {"flags": {"flagged": with_interval(flagged, len(found.outputs)), "by_reason": found.decided.flagged}}


def _plain(counts: ScoreCounts) -> dict[str, Any] | None:
    found = figures(counts, seed=0)
    return None if found is None else found.to_dict()


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

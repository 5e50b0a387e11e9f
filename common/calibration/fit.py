"""Fit a method's maps to the pooled validation cases.

- ``temperature``: one slope for all classes (Guo et al., ICML 2017), and for each class the intercept at which the mean
  probability is its prevalence: training with class weights moves that far, and no slope brings it back.
- ``platt``: slope and intercept for each class (Platt, Advances in Large Margin Classifiers 1999).
- ``isotonic``: any increasing map for each class (Zadrozny & Elkan, KDD 2002), linear between its steps, which would
  move the mean probability; an intercept moves it back.

All three rest on smoothed targets (`fedgraft.common.calibration.logistic.smoothed`); the slopes of the first two are
held near 1 where cases are few (`fedgraft.common.calibration.held`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from fedgraft.common.calibration.held import held_line
from fedgraft.common.calibration.isotonic import knots
from fedgraft.common.calibration.logistic import Weighed, line, sigmoid, smoothed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts


def fit(method: str, counts: Sequence[ScoreCounts]) -> tuple[Map, ...]:
    """The map of each class.

    Args:
        method: a key of `METHODS`.
        counts: of each class, with cases of both sides; `Map()` where one side is missing.
    """
    known = [place for place, each in enumerate(counts) if not each.one_sided]
    fitted = METHODS[method]([counts[place] for place in known]) if known else []
    found = dict(zip(known, fitted, strict=True))
    return tuple(found.get(place, Map()) for place in range(len(counts)))


def expecting(one: Map, counts: ScoreCounts) -> Map:
    """The map with the share of positives that it expects among these cases."""
    cases = counts.negatives + counts.positives
    share = float(np.average(sigmoid(one(counts.scores)), weights=cases))
    return replace(one, prevalence=min(max(share, 1e-9), 1 - 1e-9))


def _temperature(counts: Sequence[ScoreCounts]) -> list[Map]:
    fitted = held_line([smoothed(each) for each in counts])
    return [expecting(Map(fitted.slope, b), each) for b, each in zip(fitted.intercepts, counts, strict=True)]


def _platt(counts: Sequence[ScoreCounts]) -> list[Map]:
    return [one for each in counts for one in _temperature([each])]


def _isotonic(counts: Sequence[ScoreCounts]) -> list[Map]:
    found = []
    for each in counts:
        part = smoothed(each)
        steps = Map(knots=knots(part))
        centred = line(Weighed(steps(part.scores), part.negatives, part.positives), slope=1.0)
        found.append(expecting(steps.then(1.0, centred.intercepts[0]), each))
    return found


METHODS: Mapping[str, Callable[[Sequence[ScoreCounts]], list[Map]]] = MappingProxyType(
    {"temperature": _temperature, "platt": _platt, "isotonic": _isotonic}
)

"""From scores to decisions: what is predicted, the set of answers, and which cases a person must look at, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.calibration.logistic import Floats, sigmoid
from fedgraft.common.calibration.maps import Map
from fedgraft.common.decisions.decisions import Decisions
from fedgraft.common.decisions.flags import named, reasons
from fedgraft.common.interfaces.scores import Answer

Mask = NDArray[np.bool_]
SEVERAL, NOTHING, CLOSE = "more than one answer", "no answer fits", "close to the threshold"
EQUAL, STRANGE = "two answers are nearly as probable", "unlike the cases that the model was trained on"
UNREADABLE = "could not be read"


@dataclass(frozen=True)
class Decided:
    """Decisions about M usable cases.

    Attributes:
        predicted: the answer by the operating point, or of several classes the most probable; ``""`` without one.
        sets: the answers that may be true, as `fedgraft.common.decisions.flags.named` writes them.
        why: why a person must look at each case; empty if nobody must.
        flagged: how many cases are flagged, by kind of reason; a case can have several.
    """

    predicted: tuple[str, ...]
    sets: tuple[str, ...]
    why: tuple[tuple[str, ...], ...]
    flagged: dict[str, int]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of M cases, ``(M, S)`` log odds as the network gives them, and the calibration of each, ``S`` maps."""

    scores: Floats
    maps: tuple[Map, ...]

    @property
    def chances(self) -> Floats:
        """The calibrated probability of each scored class against all others, ``(M, S)``."""
        columns = [sigmoid(one(self.scores[:, place])) for place, one in enumerate(self.maps)]
        return np.stack(columns, axis=1)

    def chance_at(self, place: int, score: float) -> float:
        """The calibrated probability of a scored class at a score."""
        return float(sigmoid(self.maps[place](np.array([score])))[0])


def maps_of(
    calibration: Calibration | None, scored: int, site: str | None, prevalence: float | Sequence[float] | None
) -> tuple[Map, ...]:
    """The maps of a site at a prevalence; without calibration scores are taken as they are."""
    if calibration is None:
        return (Map(),) * scored
    return calibration.maps(site, prevalence)


def decide(decisions: Decisions, given: Scores, site: str | None, strange: Mask | None) -> Decided:
    """Decide by a site's own rules, or by those of all sites.

    Args:
        strange: ``(M,)``, of each case whether it is unlike the training cases; ``None`` if that is not known.
    """
    answers, margin, without = tasks.of(decisions).answers, decisions.section.margin, decisions.without_sets
    sets = decisions.sets(given.scores, site)
    thresholds = decisions.rules(site).thresholds
    distance = _from_threshold(given, thresholds, answers)
    equal = _gap(given, answers) < margin
    why = [list(each) for each in reasons(answers, sets, distance, margin, without)]
    _add(why, EQUAL, equal)
    asked = [places for places in _questions(answers) if answers[places[0]].question not in without]
    sizes = np.array([sets[:, places].sum(axis=1) for places in asked]).reshape(len(asked), len(sets))
    kinds = {
        SEVERAL: (sizes > 1).any(axis=0),
        NOTHING: (sizes == 0).any(axis=0),
        CLOSE: (distance < margin).any(axis=1),
        EQUAL: equal,
    }
    if strange is not None:
        _add(why, STRANGE, strange)
        kinds[STRANGE] = strange
    called = _called(given, thresholds, answers)
    return Decided(
        tuple(named(answers, each) if each.any() else "" for each in called),
        tuple(named(answers, each, without) for each in sets),
        tuple(map(tuple, why)),
        _counted(kinds),
    )


def never_left_out(decisions: Decisions, site: str | None) -> str | None:
    """A sentence on answers that are in every set, since too few validation cases have them to leave them out."""
    rules, without = decisions.rules(site), decisions.without_sets
    some = [
        answer.name
        if len(decisions.classes) == len(tasks.of(decisions).answers)
        else f"{answer.question}={answer.name}"
        for answer, limit in zip(tasks.of(decisions).answers, rules.limits, strict=True)
        if limit is None and answer.question not in without
    ]
    if not some:
        return None
    shown = ", ".join(some[:MOST_NAMED]) + (f" and {len(some) - MOST_NAMED} more" if len(some) > MOST_NAMED else "")
    they = "it is" if len(some) == 1 else "they are"
    return f"too few validation cases have {shown}: {they} in every set of answers"


MOST_NAMED = 10


def only_strange(strange: Mask) -> Decided:
    """The flags of a model that has no decisions, but knows what it was trained on."""
    why = tuple((STRANGE,) if one else () for one in strange.tolist())
    return Decided(("",) * len(why), ("",) * len(why), why, _counted({STRANGE: strange}))


def also(decided: Decided | None, reasons: Sequence[tuple[str, ...]], kind: str) -> Decided | None:
    """Decisions, or none, and further reasons why a person must look at some cases.

    Args:
        reasons: ``M``, of each case; empty if there is none.
        kind: what they are counted as.
    """
    if not any(reasons):
        return decided
    base = decided or only_strange(np.zeros(len(reasons), dtype=bool))
    why = tuple((*one, *more) for one, more in zip(base.why, reasons, strict=True))
    return replace(base, why=why, flagged={**base.flagged, kind: sum(map(bool, reasons))})


def _questions(answers: tuple[Answer, ...]) -> Iterator[list[int]]:
    """The places of the answers to each question."""
    for question in dict.fromkeys(answer.question for answer in answers):
        yield [place for place, answer in enumerate(answers) if answer.question == question]


def _shares_score(answers: tuple[Answer, ...], places: list[int]) -> bool:
    """Whether a question is decided by one score (this class or the other, yes or no)."""
    return len({answers[place].score for place in places}) == 1


def _called(given: Scores, thresholds: tuple[float | None, ...], answers: tuple[Answer, ...]) -> Mask:
    """The predicted answers, ``(M, A)``: one of each question, or none without a threshold."""
    found, chances = np.zeros((len(given.scores), len(answers)), dtype=bool), given.chances
    for places in _questions(answers):
        if _shares_score(answers, places):
            limit = thresholds[answers[places[0]].score]
            if limit is not None:
                positive = given.scores[:, answers[places[0]].score] >= limit
                found[:, places] = np.stack([positive == answers[place].speaks_for for place in places], axis=1)
        else:
            best = chances[:, [answers[place].score for place in places]].argmax(axis=1)
            found[np.arange(len(found)), np.array(places)[best]] = True
    return found


def _from_threshold(given: Scores, thresholds: tuple[float | None, ...], answers: tuple[Answer, ...]) -> Floats:
    """How far each calibrated probability is from that at its threshold, ``(M, S)``; NaN where no threshold decides."""
    decide = {answers[places[0]].score for places in _questions(answers) if _shares_score(answers, places)}
    found, chances = np.full(given.scores.shape, np.nan), given.chances
    for score in decide:
        limit = thresholds[score]
        if limit is not None:
            found[:, score] = np.abs(chances[:, score] - given.chance_at(score, limit))
    return found


def _gap(given: Scores, answers: tuple[Answer, ...]) -> Floats:
    """Of several classes how much more probable the first is than the second, ``(M,)``; infinite without such."""
    found, chances = np.full(len(given.scores), np.inf), given.chances
    for places in _questions(answers):
        if not _shares_score(answers, places):
            each = chances[:, [answers[place].score for place in places]]
            ranked = np.sort(each / each.sum(axis=1, keepdims=True), axis=1)
            found = np.minimum(found, ranked[:, -1] - ranked[:, -2])
    return found


def _add(why: list[list[str]], reason: str, mask: Mask) -> None:
    for case in np.flatnonzero(mask).tolist():
        why[case].append(reason)


def _counted(kinds: dict[str, Mask]) -> dict[str, int]:
    return {kind: int(mask.sum()) for kind, mask in kinds.items() if mask.any()}

"""Survival: pairs by hand and against lifelines, merging adds the pairs of sites, and what can't be is refused."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from flwr.app import ConfigRecord
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index
from numpy.typing import NDArray

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.tasks.areas import influence
from fedgraft.common.tasks.delong import auroc_interval
from fedgraft.common.tasks.survival import Survival, SurvivalEvaluation, concordance, partial_likelihood

TASK = Survival()
HAZARD = np.array([[2.0], [1.0], [1.0], [3.0], [0.0]])
LABELS = np.array([[1, 1], [2, 1], [2, 0], [3, 1], [3, 0]], np.float32)
"""Events at 1, 2, 3; censored at 2 and 3."""


def evaluate(hazard: NDArray[np.floating], labels: NDArray[np.floating]) -> SurvivalEvaluation:
    (found,) = TASK.evaluate_parts(hazard, labels, [len(labels)])
    return found


def draw(cases: int, seed: int, ties: bool = True) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    hazard = rng.normal(size=(cases, 1))
    time = rng.exponential(np.exp(-hazard[:, 0])) + 0.01
    if ties:
        hazard, time = np.round(hazard, 1), np.ceil(time * 5)
    return hazard, np.stack([time, rng.random(cases) < 0.6], axis=1).astype(np.float32)


def test_five_cases_by_hand() -> None:
    found = evaluate(HAZARD, LABELS)
    # the event at 1 against four others: beats 1, 1, 0, not 3. At 2: ties with the censored one at 2, loses to 3,
    # beats 0. At 3: beats the one censored at 3.
    assert (found.comparable, found.concordant, found.tied) == (8, 5, 1)
    assert found.figures()["c_index"] == pytest.approx(5.5 / 8)
    e = math.exp
    at_risk = (e(2) + 2 * e(1) + e(3) + e(0), 2 * e(1) + e(3) + e(0), e(3) + e(0))
    loss = sum(map(math.log, at_risk)) - (2 + 1 + 3)
    assert found.figures()["loss"] == pytest.approx(loss / 3)
    assert (found.cases, found.events, found.prevalence) == (5, 3, pytest.approx(3 / 5))
    assert found.details() == {"events": 3, "comparable": 8}


def test_two_events_at_one_time_are_not_comparable_and_both_are_at_risk() -> None:
    found = evaluate(np.array([[0.0], [0.0]]), np.array([[4, 1], [4, 1]]))
    assert (found.comparable, found.figures()["c_index"]) == (0, None)
    assert found.loss_sum == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("cases", [2, 3, 17, 64, 65, 300])
def test_the_c_index_is_that_of_lifelines(cases: int, ties: bool) -> None:
    for seed in range(5):
        hazard, labels = draw(cases, seed, ties)
        found = evaluate(hazard, labels)
        if found.comparable:
            expected = concordance_index(labels[:, 0], -hazard[:, 0], labels[:, 1])
            assert found.figures()["c_index"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_those_counted_one_by_one(seed: int) -> None:
    hazard, labels = draw(40, seed)
    h, (t, e) = hazard[:, 0], labels.T
    pairs = [
        (i, j) for i in range(40) for j in range(40) if i != j and e[i] and (t[j] > t[i] or (t[j] == t[i] and not e[j]))
    ]
    found = concordance(h, t.astype(np.float64), e == 1)
    for k, right in enumerate(zip(*found, strict=True)):
        own = [(i, j) for i, j in pairs if k in (i, j)]
        assert right == (len(own), sum(h[i] > h[j] for i, j in own), sum(h[i] == h[j] for i, j in own))
    assert found.totals == (len(pairs), sum(h[i] > h[j] for i, j in pairs), sum(h[i] == h[j] for i, j in pairs))


def test_the_partial_likelihood_is_that_of_lifelines() -> None:
    """Without ties, where Breslow's and Efron's are one."""
    hazard, labels = draw(120, 4, ties=False)
    table = pd.DataFrame({"x": hazard[:, 0], "time": labels[:, 0], "event": labels[:, 1]})
    fitted = CoxPHFitter().fit(table, "time", "event")
    loss = partial_likelihood(hazard[:, 0] * fitted.params_["x"], labels[:, 0].astype(np.float64), labels[:, 1] == 1)
    assert loss == pytest.approx(-fitted.log_likelihood_, rel=1e-6)


def test_large_hazards_stay_finite_and_a_shift_changes_nothing() -> None:
    hazard, labels = draw(30, 1)
    plain, shifted, steep = (evaluate(h, labels) for h in (hazard, hazard + 5000, hazard * 5000))
    assert shifted.loss_sum == pytest.approx(plain.loss_sum, rel=1e-9)
    assert shifted.figures()["c_index"] == steep.figures()["c_index"] == plain.figures()["c_index"]
    assert math.isfinite(steep.loss_sum)


def test_the_interval_of_five_cases_by_hand() -> None:
    """Each case's comparable pairs and those ranked right: (4, 3), (4, 2.5), (2, 1.5), (3, 1), (3, 3); C is 11/16."""
    found = evaluate(HAZARD, LABELS)
    assert found.squares == (9 + 6.25 + 2.25 + 1 + 9, 12 + 10 + 3 + 3 + 9, 16 + 16 + 4 + 9 + 9)
    moves = [3 - 4 * 11 / 16, 2.5 - 4 * 11 / 16, 1.5 - 2 * 11 / 16, 1 - 3 * 11 / 16, 3 - 3 * 11 / 16]
    sure = found.ranking()
    assert sure is not None
    assert (sure.value, sure.positives, sure.negatives, sure.pairs) == (11 / 16, 3, 2, 8)
    assert sure.variance == pytest.approx(sum(one**2 for one in moves) / 64)
    assert sure.interval == auroc_interval(sure.value, sure.variance)


def test_of_two_times_the_variance_is_that_of_an_auroc() -> None:
    """All events at 1, all others later: the C-index is an AUROC. DeLong's divides each side by one case less."""
    rng = np.random.default_rng(2)
    hazard, event = rng.normal(size=60), rng.random(60) < 0.4
    hazard[event] += 0.8
    m, n = int(event.sum()), int((~event).sum())
    sure = evaluate(hazard[:, None], np.stack([np.where(event, 1, 2), event], axis=1)).ranking()
    assert sure is not None
    beats = hazard[event][:, None] > hazard[~event]
    assert sure.value == pytest.approx(beats.mean()) and sure.pairs == m * n
    assert sure.variance == pytest.approx(beats.mean(1).var() / m + beats.mean(0).var() / n)
    whole = influence(hazard[:, None], event[:, None].astype(float))
    sides = [(whole[event] ** 2).sum() * (m - 1) / m, (whole[~event] ** 2).sum() * (n - 1) / n]
    assert sure.variance == pytest.approx(sum(sides))


def test_a_case_that_weighs_a_little_more_moves_the_c_index_as_the_variance_says() -> None:
    """The infinitesimal jackknife by brute force: each pair counts by the product of its cases' weights."""
    hazard, labels = draw(30, 4)
    h, (t, e) = hazard[:, 0], labels.T
    first = (e[:, None] == 1) & ((t > t[:, None]) | ((t == t[:, None]) & (e == 0)))
    np.fill_diagonal(first, False)
    right = first * ((h[:, None] > h) + (h[:, None] == h) / 2)

    def c_index(weights: NDArray[np.float64]) -> float:
        both = weights[:, None] * weights
        return float((right * both).sum() / (first * both).sum())

    ones, step = np.ones(30), 1e-6
    moved = [
        (c_index(ones + step * np.eye(30)[k]) - c_index(ones - step * np.eye(30)[k])) / (2 * step) for k in range(30)
    ]
    sure = evaluate(hazard, labels).ranking()
    assert sure is not None and sure.variance == pytest.approx(sum(one**2 for one in moved), rel=1e-6)


def test_all_pairs_right_are_no_certainty() -> None:
    """Three events and one censored: six pairs, all right; below what they do not contradict lies a wide range."""
    sure = evaluate(np.array([[3.0], [2.0], [1.0], [0.0]]), np.array([[1, 1], [2, 1], [3, 1], [4, 0]])).ranking()
    assert sure is not None and (sure.value, sure.variance) == (1.0, 0.0)
    assert 0.2 < sure.interval[0] < 0.8 and sure.interval[1] == 1


def test_merging_sites_is_stratified_by_site() -> None:
    """Pairs and likelihoods of sites add up; patients of two sites are never compared."""
    hazard, labels = draw(90, 3)
    sizes = [20, 40, 30]
    parts = TASK.evaluate_parts(hazard, labels, sizes)
    borders = np.cumsum([0, *sizes])
    sites = [evaluate(hazard[a:b], labels[a:b]) for a, b in pairwise(borders)]
    assert parts == sites
    merged = TASK.merge([*parts, TASK.empty()])
    assert merged.cases == 90
    whole = sum(site.comparable for site in sites)
    mean = sum(site.comparable * (site.figures()["c_index"] or 0) for site in sites) / whole
    assert merged.figures()["c_index"] == pytest.approx(mean)
    assert merged.comparable == whole < evaluate(hazard, labels).comparable
    assert merged.loss_sum == pytest.approx(sum(site.loss_sum for site in sites))
    assert merged.squares == tuple(map(sum, zip(*(site.squares for site in sites), strict=True)))


def test_no_event_and_no_case_are_undefined() -> None:
    censored = evaluate(HAZARD, LABELS * [1, 0])
    assert censored == SurvivalEvaluation(5, 0, 0, 0, 0, 0.0)
    assert censored.ranking() is None
    assert set(censored.figures().values()) == {None}
    assert evaluate(np.zeros((0, 1)), np.zeros((0, 2))) == TASK.empty()
    assert TASK.empty().prevalence is None
    assert tuple(TASK.empty().figures()) == TASK.figures


def test_counts_by_hand() -> None:
    assert TASK.counts == ("censored", "event")
    assert TASK.count(torch.from_numpy(LABELS)) == (2, 3)
    assert TASK.fits((2, 3), 5) and not TASK.fits((2, 3), 6)
    assert TASK.releasable((5, 0), 5) == (5, 0)
    assert TASK.releasable((5, 4), 5) is None
    assert TASK.some_labels(3).tolist() == [[1, 0], [2, 1], [3, 0]]


def test_there_is_nothing_to_weigh() -> None:
    with pytest.raises(PlanError, match=r"loss\.weights has no effect with data\.task=survival; set it to none"):
        TASK.weights((5, 5))


def test_an_evaluation_of_too_few_cases_stays() -> None:
    found = evaluate(HAZARD, LABELS)
    assert found.releasable(5) == found
    assert found.releasable(6) is None


def test_it_makes_a_round_trip() -> None:
    found = evaluate(*draw(200, 0))
    assert TASK.unpack(found.pack()) == found
    assert TASK.unpack(TASK.empty().pack()) == TASK.empty()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cases": -1}, "`cases` must be a whole number"),
        ({"cases": 2}, "more events than cases"),
        ({"events": True}, "`events` must be a whole number"),
        ({"comparable": 10}, "more comparable pairs than the cases and events can have"),  # 3 among events, 6 others
        ({"comparable": 8.0}, "`comparable` must be a whole number of pairs"),
        ({"concordant": -1}, "`concordant` must be a whole number of pairs"),
        ({"tied": True}, "`tied` must be a whole number of pairs"),
        ({"tied": 4}, "more concordant and tied pairs than comparable ones"),
        ({"squares": [1.0, 2.0]}, "`squares` must be three sums over pairs"),
        ({"squares": "abc"}, "`squares` must be three sums over pairs"),
        ({"squares": [0.0, 0.0, 1.0]}, "sums of squared pairs that the pairs can't have"),  # 8 pairs of 5 cases: <= 80
        ({"squares": [math.nan, 0.0, 20 * 2.0**-20]}, "sums of squared pairs that the pairs can't have"),
        ({"squares": [21 * 2.0**-20, 20 * 2.0**-20, 20 * 2.0**-20]}, "sums of squared pairs that the pairs can't have"),
        ({"loss-sum": math.nan}, "evaluation loss is not a finite number"),
        ({"loss-sum": 3}, "evaluation loss is not a finite number"),
        ({"events": 0, "comparable": 0, "concordant": 0, "tied": 0}, "a partial likelihood without an event"),
    ],
)
def test_a_hostile_record_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(WireError, match=words):
        TASK.unpack(ConfigRecord({**evaluate(HAZARD, LABELS).pack(), **changes}))


@pytest.mark.parametrize("key", ["cases", "events", "comparable", "concordant", "tied", "loss-sum", "squares"])
def test_a_record_that_lacks_a_value_is_refused(key: str) -> None:
    record = evaluate(HAZARD, LABELS).pack()
    with pytest.raises(WireError):
        TASK.unpack(ConfigRecord({name: value for name, value in record.items() if name != key}))

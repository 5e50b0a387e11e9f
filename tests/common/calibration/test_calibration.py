"""A calibration as plain data: maps by site, prevalences, JSON both ways, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedgraft.common.calibration.calibration import Calibration, from_dict, from_json, raw
from fedgraft.common.calibration.logistic import sigmoid
from fedgraft.common.calibration.maps import Map
from fedgraft.common.errors import DataError
from fedgraft.common.tasks.classification import Classification

KNOTS = ((-1.0, -2.0), (2.0, 3.0))
TWO = Calibration(
    task="classification",
    classes=("well", "ill"),
    method="platt",
    pooled=(Map(0.5, -1.0, prevalence=0.2),),
    sites={"south": (Map(0.5, 1.0, KNOTS, prevalence=0.5),), "north": (Map(2.0, 0.0, prevalence=0.1),)},
)
SCORES = np.array([[0.0], [2.0]])


def test_a_site_has_its_own_map_and_any_other_the_pooled_one() -> None:
    assert TWO.log_odds(SCORES) == pytest.approx(np.array([[-1.0], [0.0]]))
    assert TWO.log_odds(SCORES, "north") == pytest.approx(np.array([[0.0], [4.0]]))
    assert TWO.log_odds(SCORES, "elsewhere") == pytest.approx(TWO.log_odds(SCORES))
    assert TWO.probabilities(SCORES, "north")[0] == pytest.approx([0.5, 0.5])


def test_a_stated_prevalence_moves_the_odds_by_the_ratio_of_the_odds() -> None:
    p = TWO.probabilities(SCORES, prevalence=0.5)  # odds of 1 in the place of 1 to 4
    assert p[:, 1] == pytest.approx(sigmoid(np.array([-1.0, 0.0]) + np.log(4)))
    assert TWO.probabilities(SCORES, prevalence=0.2) == pytest.approx(TWO.probabilities(SCORES))


def test_bayes_rule_gives_the_same() -> None:
    """Of two equally large groups of scores; the likelihoods stay, the prevalence goes from 0.2 to 0.6."""
    ill, well = np.array([0.3, 0.7]), np.array([0.9, 0.1])
    then, now = 0.2, 0.6
    before = then * ill / (then * ill + (1 - then) * well)
    after = now * ill / (now * ill + (1 - now) * well)
    one = Map(prevalence=then)
    assert sigmoid(one.at(now)(np.log(before / (1 - before)))) == pytest.approx(after)


def test_the_plan_s_prevalence_holds_everywhere_unless_another_is_asked_for() -> None:
    stated = replace(TWO, prevalence=(0.5,))
    assert stated.probabilities(SCORES, "north") == pytest.approx(TWO.probabilities(SCORES, "north", 0.5))
    assert stated.probabilities(SCORES, prevalence=0.2) == pytest.approx(TWO.probabilities(SCORES))


def test_no_calibration_is_the_model_s_own_probability() -> None:
    task = Classification(("a", "b", "c"))
    scores = task.scores(np.random.default_rng(0).normal(size=(5, 3)))
    assert raw("classification", task.classes).probabilities(scores) == pytest.approx(task.probabilities(scores))
    assert raw("survival", ()).pooled == ()


@pytest.mark.parametrize(
    "one", [TWO, replace(TWO, prevalence=(0.3,)), raw("multilabel", ("x", "y")), raw("survival", ())]
)
def test_json_both_ways(one: Calibration) -> None:
    assert from_json(one.to_json()) == one
    assert from_json(one.to_json()).to_json() == one.to_json()


def test_the_order_of_sites_does_not_show() -> None:
    other = replace(TWO, sites=dict(reversed(TWO.sites.items())))
    assert other.to_json() == TWO.to_json()


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("method", 3, r"can't be read: method: input should be a valid string"),
        ("extra", 3, r"can't be read: extra: unexpected keyword argument"),
        ("pooled", [], r"can't be read: it needs one map for each scored class of a known task"),
        ("task", "ranking", r"can't be read: it needs one map for each scored class of a known task"),
        ("pooled", [{"slope": -1.0}], r"can't be read: pooled.0.slope: input should be greater than 0"),
        (
            "pooled",
            [{"intercept": float("inf")}],
            r"can't be read: pooled.0.intercept: input should be a finite number",
        ),
        ("prevalence", [1.0], r"can't be read: prevalence.0: input should be less than 1"),
    ],
)
def test_what_is_not_a_calibration_is_refused(key: str, value: Any, text: str) -> None:
    with pytest.raises(DataError, match=text):
        from_dict({**TWO.to_dict(), key: value})


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(DataError, match="the calibration is not valid JSON"):
        from_json("{")
    with pytest.raises(DataError, match="can't be read: task: field required"):
        from_json(json.dumps({name: value for name, value in TWO.to_dict().items() if name != "task"}))


def test_a_prevalence_that_can_not_be_is_refused() -> None:
    with pytest.raises(DataError, match=r"a prevalence must lie between 0 and 1, both excluded; it is 1\.0"):
        TWO.probabilities(SCORES, prevalence=1.0)
    with pytest.raises(DataError, match="a prevalence must name one share for each of: ill; it has 2"):
        TWO.probabilities(SCORES, prevalence=(0.5, 0.5))
    with pytest.raises(DataError, match="a prevalence can't be stated for a model that is not calibrated"):
        raw("classification", ("a", "b")).probabilities(SCORES, prevalence=0.5)


def test_knots_are_joined_by_straight_lines_that_never_stand_still() -> None:
    one = Map(knots=KNOTS)
    far = one(np.array([-1e5, -10.0, -1.0, 2.0, 10.0, 1e5]))
    assert far == pytest.approx([-2.0, -2.0, -2.0, 3.0, 3.0, 3.0], abs=0.002)
    assert (np.diff(far) > 0).all()

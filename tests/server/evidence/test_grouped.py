"""Scores that sites told by groups: where these are too few, nothing is fitted to them, and it is said by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedgraft.common import tasks
from fedgraft.common.calibration.in_groups import Grouped
from fedgraft.common.decisions.decisions import Rules, from_json
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.evidence.evidence import Evidence, gather
from fedgraft.server.rounds.state import RunOutcome

from .outcomes import PlanOf, evaluated, outcome

WHY = "it tells scores in groups of 5 cases or more, and has fewer than 15 validation cases with or without it"


def told(negatives: int, positives: int) -> ScoreCounts:
    return ScoreCounts(np.array([0.0]), np.array([negatives]), np.array([positives]))


def offered(plan: Plan, by_site: dict[str, dict[str, Evaluation]], least: int = 5) -> RunOutcome:
    """The outcome of sites that tell scores by groups, as they would tell them."""
    each = {site: {split: one.merged(least) for split, one in splits.items()} for site, splits in by_site.items()}
    found = outcome(plan, each)
    offers = {name: Offer(name, plan.digest, True, 100, None, grouped=least) for name in by_site}
    return replace(found, offers=offers)


def apart(plan: Plan, negatives: int, positives: int) -> Evaluation:
    """A model that tells all cases apart: log odds -1, -2, ... of negatives and 1, 2, ... of positives."""
    odds = np.concatenate([-np.arange(1.0, negatives + 1), np.arange(1.0, positives + 1)])
    labels = np.array([0] * negatives + [1] * positives)
    outputs = np.stack([np.zeros(len(odds)), odds], axis=1)
    found: Evaluation = tasks.of(plan.data).evaluate_parts(outputs, labels, [len(odds)])[0]
    return found


def decided(found: Evidence) -> dict[str, Any]:
    shown: dict[str, Any] = found.figures["decisions"]
    return shown


@pytest.mark.parametrize(
    ("negatives", "positives", "blurred"),
    [(15, 15, False), (100, 14, True), (14, 100, True), (15, 0, False), (14, 0, True), (0, 0, False)],
)
def test_a_side_with_cases_needs_three_groups(negatives: int, positives: int, blurred: bool) -> None:
    grouped = Grouped(("lesion",), {"north": 5}, {"north", "fine"})
    assert grouped.blurred("north", told(negatives, positives)) is blurred
    assert not grouped.blurred("fine", told(negatives, positives))


def test_sites_that_answer_as_one_need_three_groups_of_each() -> None:
    """Of a sum nobody knows whose cases are whose: 3 times 5 and 3 times 8 cases."""
    grouped = Grouped(("lesion",), {"north": 5, "south": 8}, {"north", "south"})
    assert grouped.needed("all together") == 39
    assert grouped.blurred("all together", told(38, 100)) and not grouped.blurred("all together", told(39, 39))


def test_calls_at_one_half_are_exact_where_the_order_of_scores_is_lost(compose_plan: PlanOf) -> None:
    """Of 7 well and 4 ill cases, all told apart, the lower group holds 5 well ones, the upper one 2 well and 4 ill;
    these lie at 1/4, 3/4 and at 1/8, 3/8, 5/8, 7/8 of it: 0, 1, 1, 2 of their 8 pairs are right, and 20 of 20 more."""
    plan = compose_plan()
    found = gather(plan, offered(plan, {"north": {"val": apart(plan, 7, 4), "test": apart(plan, 7, 4)}}))
    (scored,) = tasks.of(plan.data).scored
    assert found.figures["intervals"]["sites"]["north"]["auroc"]["value"] == pytest.approx(24 / 28, abs=1e-6)
    assert found.figures["intervals"]["sites"]["north"]["few"] is True
    for kind in ("chosen", "half"):
        at = decided(found)["thresholds"][scored][kind]["pooled"]
        assert (at["sensitivity"]["value"], at["specificity"]["value"]) == (1.0, 1.0)
    assert found.figures["intervals"]["together"]["classes"][scored]["specificity"]["value"] == 1.0
    assert found.figures["scores"] == {
        "in_groups_of": {"north": 5},
        "needed": {"north": 15},
        "too_few": {"val": ["north"], "test": ["north"]},
        "share": 1.0,
        "ranked": False,
        "chooses": False,
    }


def test_nothing_is_fitted_to_too_few_groups_and_the_raw_model_s_rules_hold(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    few = {"val": evaluated(plan, 12), "test": evaluated(plan, 12, seed=1)}
    found = gather(plan, offered(plan, {"north": few, "south": few}))
    (scored,) = tasks.of(plan.data).scored
    because = (
        f"neither calibration nor thresholds nor sets of answers were fitted for {scored}: north, south tell scores in "
        "groups of 5 cases or more, and fewer than 15 validation cases with or without it are too few groups to fit to "
        "(docs/trust.md); probabilities and the threshold (0.5) are the raw model's"
    )
    assert found.calibration.method == "none" and found.decisions is not None
    assert found.decisions.pooled == Rules((0.0,), (None,), (None, None))
    assert (found.decisions.because, found.decisions.sites) == ({scored: because}, {})
    assert found.decisions.without_sets == ("class",)
    assert from_json(found.decisions.to_json()) == found.decisions
    assert set(found.beside_model) == {"decisions.json"}
    assert (decided(found)["sets"], decided(found)["because"]) == ({}, {scored: because})
    assert found.figures["calibration"]["pooled_because"] == {"north": WHY, "south": WHY}
    assert found.figures["calibration"]["from_cases"] == 0
    assert [one for one in found.warnings if "fitted" in one] == [because]


def test_a_site_with_too_few_groups_is_left_out_of_fits_and_named(compose_plan: PlanOf) -> None:
    plan = compose_plan("calibration.min_cases=10")
    enough = {"val": evaluated(plan, 400), "test": evaluated(plan, 400, seed=1)}
    few = {"val": evaluated(plan, 12, seed=2), "test": evaluated(plan, 12, seed=3)}
    found = gather(plan, offered(plan, {"north": enough, "south": few}))
    alone = gather(plan, offered(plan, {"north": enough}))
    (scored,) = tasks.of(plan.data).scored
    assert found.decisions is not None and alone.decisions is not None
    assert found.calibration.pooled == alone.calibration.pooled
    assert (found.decisions.pooled, set(found.decisions.sites)) == (alone.decisions.pooled, {"north"})
    assert found.figures["calibration"]["from_sites"] == {"north": 400}
    assert found.figures["calibration"]["pooled_because"] == {"south": WHY}
    assert found.figures["scores"]["too_few"] == {"val": ["south"], "test": ["south"]}
    assert found.figures["scores"]["ranked"] is True  # 12 of 412 test cases
    assert (
        f"calibration, thresholds and sets of answers for {scored} rest on the other hospitals' validation cases: "
        "south tells scores in groups of 5 cases or more, and fewer than 15 validation cases with or without it are "
        "too few groups to fit to (docs/trust.md)"
    ) in found.warnings


def test_of_findings_only_those_with_too_few_groups_keep_the_raw_model_s_rule(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.task=multilabel", "data.classes=[edema,mass]", "loss=binary_cross_entropy")
    rng = np.random.default_rng(0)
    labels = np.stack([np.arange(60) % 2, np.arange(60) < 14], axis=1).astype(np.float64)
    outputs = labels + rng.normal(0, 1, labels.shape)
    one: Evaluation = tasks.of(plan.data).evaluate_parts(outputs, labels, [60])[0]
    found = gather(plan, offered(plan, {"north": {"val": one, "test": one}}))
    assert found.decisions is not None
    edema, mass = found.decisions.pooled.thresholds
    assert (mass, edema != 0) == (0.0, True)
    assert (list(found.decisions.because), found.decisions.without_sets) == (["mass"], ("mass",))
    assert set(decided(found)["sets"]["pooled"]["pooled"]["by_answer"]) == {"edema=no", "edema=yes"}
    assert found.calibration.pooled[1].slope == 1.0 and found.calibration.pooled[0].slope != 1.0
    assert not [one for one in found.warnings if "one side" in one]


def test_choosing_the_best_round_by_too_few_groups_is_said(compose_plan: PlanOf) -> None:
    plan = compose_plan("select=best")
    found = gather(plan, offered(plan, {"north": {"val": evaluated(plan, 12)}}))
    assert (
        "select=best took the last round's model: validation scores of north came in too few groups to choose by "
        "(docs/trust.md)" in found.warnings
    )


def test_sites_that_tell_each_score_are_as_they_were(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    found = gather(plan, outcome(plan, {"north": {"val": evaluated(plan, 12), "test": evaluated(plan, 12)}}))
    assert "scores" not in found.figures and "because" not in decided(found)
    assert found.decisions is not None and "because" not in found.decisions.to_json()
    assert found.calibration.method == "platt"

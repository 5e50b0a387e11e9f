"""From the evaluations of a run to its calibration: who contributes, who gets a map, and what is said of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import from_dict
from fedgraft.server.evidence.evidence import Evidence, gather

from .outcomes import SHIFTS, PlanOf, evaluated, outcome, sites


def figures(found: Evidence) -> dict[str, Any]:
    shown: dict[str, Any] = found.figures["calibration"]
    return shown


def test_calibrated_probabilities_are_right_on_test_cases_and_the_raw_ones_are_not(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    found = gather(plan, outcome(plan, sites(plan)))
    shown = figures(found)
    (name,) = tasks.of(plan.data).scored
    before, after = shown["pooled"]["before"], shown["pooled"]["after"]
    assert before["ece"] > 0.15 > 2 * after["ece"]
    assert after["ece"] <= after["ece_by_chance"]
    low, high = after["classes"][name]["slope_interval"]
    assert low <= 1 <= high
    assert before["classes"][name]["slope_interval"][1] < 1
    for each in shown["by_site"].values():
        assert each["after"]["classes"][name]["auroc"] == each["before"]["classes"][name]["auroc"]
        assert each["after"]["ece"] < each["before"]["ece"]
    assert (shown["from_cases"], shown["own_maps"], shown["pooled_because"]) == (900, sorted(SHIFTS), {})
    assert from_dict(shown["maps"]) == found.calibration
    assert shown["central"] is None and not [one for one in found.warnings if "calibrated" in one]


def test_a_site_with_few_or_one_sided_cases_keeps_the_pooled_map_and_is_named(compose_plan: PlanOf) -> None:
    plan = compose_plan("hold_out=[held]")
    by_site = sites(plan) | {
        "few": {"val": evaluated(plan, 29)},
        "clear": {"val": evaluated(plan, 60, one_sided=True)},
        "none": {"test": evaluated(plan, 50)},
        "held": {"val": evaluated(plan, 500, 3.0), "test": evaluated(plan, 50)},
    }
    found = gather(plan, outcome(plan, by_site))
    assert figures(found)["pooled_because"] == {
        "few": "29 validation cases, fewer than calibration.min_cases=30",
        "clear": "all 60 validation cases are of one side",
        "none": "no validation cases",
        "held": "it never trains (hold_out)",
    }
    assert figures(found)["own_maps"] == sorted(SHIFTS)
    assert figures(found)["from_cases"] == 900 + 29 + 60
    assert found.calibration.maps("few") == found.calibration.pooled


def test_without_by_site_all_share_one_map(compose_plan: PlanOf) -> None:
    plan = compose_plan("calibration.by_site=false")
    found = gather(plan, outcome(plan, sites(plan)))
    assert found.calibration.sites == {}
    assert (figures(found)["own_maps"], figures(found)["pooled_because"]) == ([], {})


def test_a_run_without_validation_cases_says_so(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.val_fraction=0.0")
    found = gather(plan, outcome(plan, {"alder": {"test": evaluated(plan, 50)}}))
    assert found.plain["warnings"] == [
        "not calibrated: no validation cases, so that probabilities are the model's own, which class weights and "
        "sampling move; set data.val_fraction above 0 (and release.evaluation=true)"
    ]
    few = gather(compose_plan(), outcome(plan, {"alder": {"test": evaluated(plan, 50)}}))
    assert few.plain["warnings"] == [
        "not calibrated: no hospital told a figure of its validation cases, so that probabilities are the model's own, "
        "which class weights and sampling move; of fewer cases than its release.min_count (5 by default) none leaves "
        "it: more cases, a larger data.val_fraction, and release.evaluation=true"
    ]
    assert figures(found)["method"] == "none"
    assert figures(found)["pooled"]["after"] == figures(found)["pooled"]["before"]


def test_validation_cases_of_one_side_calibrate_nothing(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    found = gather(plan, outcome(plan, {"alder": {"val": evaluated(plan, 50, one_sided=True)}}))
    assert found.warnings == ("not calibrated: all validation cases are of one side for: lesion",)
    assert figures(found)["pooled"] is None


def test_a_central_test_set_has_the_pooled_map(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.test=coordinator", "data.test_fraction=0.0")
    found = gather(plan, outcome(plan, {"alder": {"val": evaluated(plan, 400)}}, evaluated(plan, 500, seed=7)))
    assert figures(found)["pooled"] is None
    assert figures(found)["central"]["after"]["ece"] < figures(found)["central"]["before"]["ece"] / 2


def test_a_stated_prevalence_is_what_probabilities_are_meant_for(compose_plan: PlanOf) -> None:
    plan = compose_plan("calibration.prevalence=0.1")
    found = gather(plan, outcome(plan, sites(plan)))
    own = gather(compose_plan(), outcome(plan, sites(plan)))
    (name,) = tasks.of(plan.data).scored
    at, free = (figures(each)["pooled"]["after"]["classes"][name]["predicted"] for each in (found, own))
    assert at < 0.2 < 0.4 < free


def test_findings_have_maps_of_their_own_and_a_finding_without_cases_is_named(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.task=multilabel", "data.classes=[a,b,c]", "loss=binary_cross_entropy")
    task = tasks.of(plan.data)
    labels = np.tile(np.array([[0.0, 1.0, np.nan], [1.0, 0.0, 1.0]]), (20, 1))
    outputs = np.random.default_rng(0).normal(size=labels.shape)
    known = {"val": task.evaluate_parts(outputs, labels, [40])[0]}
    found = gather(plan, outcome(plan, {"alder": known, "birch": {"val": evaluated(plan, 200)}}))
    assert found.warnings == ()
    assert figures(found)["pooled_because"] == {"alder": "c: 20 validation cases, fewer than calibration.min_cases=30"}
    assert len(found.calibration.maps("alder")) == 3
    assert found.calibration.maps("alder")[2] == found.calibration.pooled[2]
    alone = gather(plan, outcome(plan, {"alder": known}))
    assert alone.warnings == ("not calibrated for: c: validation cases of one side only",)


def test_survival_has_nothing_to_calibrate(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none")
    task = tasks.of(plan.data)
    some = task.evaluate_parts(np.zeros((4, 1)), np.ones((4, 2)), [4])[0]
    found = gather(plan, outcome(plan, {"alder": {"val": some, "test": some}}, some))
    assert (found.calibration.method, found.warnings) == ("none", ())
    assert (figures(found)["pooled"], figures(found)["by_site"], figures(found)["central"]) == (None, {}, None)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_other_methods_calibrate_too(compose_plan: PlanOf, method: str) -> None:
    plan = compose_plan(f"calibration={method}")
    shown = figures(gather(plan, outcome(plan, sites(plan))))
    assert shown["pooled"]["after"]["ece"] < shown["pooled"]["before"]["ece"] / 2

"""From the evaluations of a run to its decisions: thresholds, sets of answers, and what they hold on test cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from fedgraft.common import tasks
from fedgraft.common.decisions.decisions import from_json
from fedgraft.common.familiarity.distances import counted
from fedgraft.common.familiarity.familiarity import Familiarity
from fedgraft.common.familiarity.gaussian import reference_of, sums_of
from fedgraft.server.evidence.evidence import Evidence, gather

from .outcomes import PlanOf, evaluated, outcome, sites


def decided(found: Evidence) -> dict[str, Any]:
    shown: dict[str, Any] = found.figures["decisions"]
    return shown


def test_sets_hold_what_was_promised_at_every_site_and_pooled_bounds_don_t(compose_plan: PlanOf) -> None:
    plan = compose_plan("decide.by_site=own")
    shown = decided(gather(plan, outcome(plan, sites(plan, 600, 600))))
    own, pooled = shown["sets"]["own"], shown["sets"]["pooled"]
    for site in own["sites"].values():
        low, high = site["expected"]
        assert low <= site["coverage"] <= high
        for each in site["by_answer"].values():
            assert each["expected"][0] <= each["coverage"] <= each["expected"][1]
    answers = [each for site in pooled["sites"].values() for each in site["by_answer"].values()]
    assert any(each["coverage"] < each["expected"][0] for each in answers)
    assert pooled["pooled"]["expected"][0] <= pooled["pooled"]["coverage"] <= pooled["pooled"]["expected"][1]


def test_the_cautious_threshold_misses_few(compose_plan: PlanOf) -> None:
    plan = compose_plan("decide.by_site=own", "decide.miss=0.1")
    found = gather(plan, outcome(plan, sites(plan, 600, 600)))
    for site in decided(found)["sets"]["own"]["sites"].values():
        (missed,) = site["missed"]
        assert missed["share"] <= 0.16
    assert found.decisions is not None
    (scored,) = tasks.of(plan.data).scored
    cautious = decided(found)["thresholds"][scored]["cautious"]["pooled"]["sensitivity"]["value"]
    assert cautious >= 0.88


def test_the_chosen_threshold_is_that_of_the_pooled_cases(compose_plan: PlanOf) -> None:
    plan = compose_plan("decide.by_site=pooled", "decide.at=sensitivity", "decide.value=0.9")
    found = gather(plan, outcome(plan, sites(plan, 400, 400)))
    assert found.decisions is not None
    assert found.decisions.sites == {}
    (scored,) = tasks.of(plan.data).scored
    shown = decided(found)["thresholds"][scored]
    assert shown["threshold"] == found.decisions.pooled.thresholds[0]
    assert 0.85 < shown["chosen"]["pooled"]["sensitivity"]["value"] < 0.95
    calibrated = found.calibration.pooled[0](np.array([shown["threshold"]]))[0]
    assert shown["probability"] == pytest.approx(1 / (1 + math.exp(-calibrated)), abs=1e-6)
    assert from_json(found.decisions.to_json()) == found.decisions
    assert set(found.beside_model) == {"calibration.json", "decisions.json"}


def test_a_held_out_site_decides_nothing_and_is_judged(compose_plan: PlanOf) -> None:
    plan = compose_plan("hold_out=[held]")
    by_site = sites(plan) | {"held": {"val": evaluated(plan, 300, 3.0), "test": evaluated(plan, 300, 0.5)}}
    found = gather(plan, outcome(plan, by_site))
    assert found.decisions is not None
    assert sorted(found.decisions.sites) == ["alder", "birch", "cedar"]
    assert "held" in decided(found)["sets"]["shrunk"]["sites"]


def test_without_validation_cases_nothing_is_decided(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    found = gather(plan, outcome(plan, {"alder": {"test": evaluated(plan, 50)}}))
    assert found.decisions is None
    assert found.figures["decisions"] is None


def test_findings_have_thresholds_and_sets_of_their_own(compose_plan: PlanOf) -> None:
    plan = compose_plan("data.task=multilabel", "data.classes=[edema,effusion]", "loss=binary_cross_entropy")
    shown = decided(gather(plan, outcome(plan, sites(plan))))
    assert sorted(shown["thresholds"]) == ["edema", "effusion"]
    answers = shown["sets"]["pooled"]["pooled"]["by_answer"]
    assert sorted(answers) == ["edema=no", "edema=yes", "effusion=no", "effusion=yes"]


def test_what_is_familiar_is_shown_and_goes_with_the_model(compose_plan: PlanOf) -> None:
    plan = compose_plan()
    rows = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    reference = reference_of([sums_of(rows)])
    near, far = counted(reference.distances(rows)), counted(reference.distances(20 * rows))
    told = Familiarity(reference, {"alder": {"val": near, "test": far}}, frozenset({"alder"}))
    made = outcome(plan, sites(plan))
    found = gather(plan, type(made)(**{**made.__dict__, "familiarity": told}))
    shown = found.figures["familiarity"]
    assert shown["pooled"]["val"]["share"] <= plan.decide.unseen
    assert shown["sites"]["alder"]["test"]["share"] > 0.95
    assert found.familiar is not None
    assert found.familiar.limit == pytest.approx(shown["limit"], abs=1e-6)
    assert "familiarity.json" in found.beside_model

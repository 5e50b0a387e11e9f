"""Figures by subgroup, and gaps between groups, from what sites told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from fedgraft.common import tasks
from fedgraft.server.evidence.evidence import gather

from .outcomes import PlanOf, evaluated, outcome, sites


def with_groups(made: Any, told: dict[str, dict[str, dict[str, Any]]]) -> Any:
    return replace(made, final=replace(made.final, subgroups=told))


def test_groups_that_do_not_differ_have_gaps_by_chance_only(compose_plan: PlanOf) -> None:
    plan = compose_plan("audit.columns=[sex,view]")
    told = {
        site: {"sex": {"F": evaluated(plan, 300, 0, place), "M": evaluated(plan, 300, 0, 20 + place)}}
        for place, site in enumerate(("alder", "birch"))
    }
    found = gather(plan, with_groups(outcome(plan, sites(plan)), told)).figures["subgroups"]
    (scored,) = tasks.of(plan.data).scored
    assert found["sex"]["groups"]["F"]["cases"] == 600
    assert found["sex"]["sites"]["alder"]["M"]["cases"] == 300
    assert (found["sex"]["without"], found["view"]["without"]) == (["cedar"], ["alder", "birch", "cedar"])
    assert not any(gap["more_than_chance"] for gap in found["sex"]["gaps"][scored].values())
    assert found["view"]["gaps"][scored] == {"auroc": None, "sensitivity": None, "calibration": None}


def test_a_group_that_the_model_serves_badly_is_named(compose_plan: PlanOf) -> None:
    plan = compose_plan("audit.columns=[sex]", "calibration=none", "decide.by_site=pooled")
    task = tasks.of(plan.data)
    good = evaluated(plan, 600, 0, 1)
    drawn = np.random.default_rng(0)
    labels = (drawn.random(600) < 0.5).astype(np.int64)
    noise = task.evaluate_parts(np.stack([np.zeros(600), drawn.normal(size=600)], axis=1), labels, [600])[0]
    told = {"alder": {"sex": {"F": noise, "M": good}}}
    shown = gather(plan, with_groups(outcome(plan, sites(plan)), told)).figures["subgroups"]["sex"]
    (scored,) = task.scored
    gap = shown["gaps"][scored]["auroc"]
    assert (gap["worst"], gap["more_than_chance"]) == ("F", True)
    low, middle, high = (shown["groups"]["F"]["classes"][scored]["auroc"][place] for place in (1, 0, 2))
    assert low < middle < high
    assert low < 0.5 < high or abs(middle - 0.5) < 0.06


def test_the_sensitivity_gap_is_a_chi_square_of_the_counts(compose_plan: PlanOf) -> None:
    plan = compose_plan("audit.columns=[sex]", "decide.by_site=pooled")
    told = {"alder": {"sex": {"F": evaluated(plan, 300, -1.5, 1), "M": evaluated(plan, 300, 1.5, 2)}}}
    shown = gather(plan, with_groups(outcome(plan, sites(plan)), told)).figures["subgroups"]["sex"]
    (scored,) = tasks.of(plan.data).scored
    shares = {group: one["classes"][scored]["sensitivity"] for group, one in shown["groups"].items()}
    table = [
        [round(one["value"] * one["cases"]), one["cases"] - round(one["value"] * one["cases"])]
        for one in shares.values()
    ]
    expected = chi2_contingency(table, correction=False).pvalue
    assert shown["gaps"][scored]["sensitivity"]["p"] == pytest.approx(expected, abs=1e-6)

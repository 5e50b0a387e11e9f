"""``select=unseen``: the ridge that does best at sites that had no part in the fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fedgraft.common.errors import PlanError, UndefinedFigureError
from fedgraft.common.plan.plan import Plan

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
EXACT = (
    "strategy=exact",
    "calibration=none",
    "decide.unseen=null",
    "data.val_fraction=0.3",
    "strategy.strongest=30",
    "strategy.weakest=3",
    "loss.weights=none",
)


def test_its_figure_is_that_of_runs_that_hold_each_site_out(federate: Federate, compose_plan: Composer) -> None:
    """Of the same ridge, and so of the same heads."""
    plan = compose_plan(*EXACT, "rounds=2", "select=unseen", "hold_out=[cedar]")
    found = federate(plan).outcome
    tried = found.choices["select"]
    assert [*tried] == ["ridge 30", "ridge 3"]
    figures = []
    for site in ("alder", "birch"):
        without = ("rounds=2", f"hold_out=[cedar,{site}]", "patience.quorum_sites=1")
        held = federate(compose_plan(*EXACT, *without), out=site).outcome
        figures.append(held.final.by_site[site]["val"].figures()["auroc"])
    known = [one for one in figures if one is not None]
    assert tried["ridge 3"] == pytest.approx(sum(known) / len(known), abs=1e-6)
    assert found.final.number == 1 + (tried["ridge 3"] > tried["ridge 30"])


def test_one_training_site_has_none_to_leave_out(federate: Federate, compose_plan: Composer) -> None:
    plan = compose_plan(*EXACT, "select=unseen", "hold_out=[alder,birch]", "patience.quorum_sites=1")
    with pytest.raises(UndefinedFigureError, match="one training site after another, and there is one only"):
        federate(plan)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=fedavg",), "takes a fit of the head for each; use strategy=exact, or select=best"),
        (("strategy=exact", "aggregation=secure"), "whose figures are told by name; set aggregation.secure=false"),
        (("strategy=exact", "privacy=record"), "which privacy does not charge for; set select=last"),
        (("strategy=exact", "release.evaluation=false"), "and needs release.evaluation=true"),
        (("strategy=exact", "personal=intercept"), "of a model that all share; set personal=none"),
        (("strategy=exact", "data.val_fraction=0"), "needs validation cases there; set data.val_fraction above 0"),
        (("strategy=exact", "initial=ridge", "initial.interpolate=[0,1]"), "set initial.interpolate="),
    ],
)
def test_what_it_does_not_go_with_is_said(compose_plan: Composer, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError) as caught:
        compose_plan(*words, "select=unseen")
    assert any(
        "select=unseen leaves out one site after another" in one and said in one for one in caught.value.problems
    )

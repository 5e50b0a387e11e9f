"""``baselines=simpler``: the same federation with the simplest network, and a warning where that is as good."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.input_kind import HasSimpler
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan, from_dict
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study.baselines import SIMPLER, arrangements
from fedgraft.simulations.study.summary import not_better

PlanOf = Callable[..., Plan]
Words = Callable[..., tuple[str, ...]]
SITES = Partitioned({site: (Case("/x.csv", "a", site, 0),) for site in ("north", "south")}, ())


def test_of_notes_it_is_the_hashed_words_that_stand_beside_the_layers(of_encoder: Words, compose_plan: PlanOf) -> None:
    plan = compose_plan(*of_encoder("features=taps_hashed", "features.buckets=64", "adaptation=lora"), small=False)
    _, simpler = arrangements(plan, Study(baselines=("simpler",)), SITES, {})
    assert (simpler.method, simpler.name, simpler.tested) == (SIMPLER, "simpler", ("north", "south"))
    backbone = simpler.plan.backbone
    assert (backbone.name, backbone.pretrained, backbone.options["buckets"]) == ("text/hashed_words", False, 64)
    assert simpler.plan.features.target is None and simpler.plan.adaptation.target is None
    assert simpler.plan.strategy == plan.strategy and simpler.plan.head == plan.head
    assert kind_of(from_dict(simpler.plan.to_dict())).spec().shape == (64,)
    kind = kind_of(simpler.plan)
    assert isinstance(kind, HasSimpler) and kind.simpler() is None


def test_beside_a_head_that_weighs_windows_hashed_words_have_a_linear_one(
    of_encoder: Words, compose_plan: PlanOf
) -> None:
    plan = compose_plan(*of_encoder("features=windows", "head=attention"), small=False)
    _, simpler = arrangements(plan, Study(baselines=("simpler",)), SITES, {})
    assert simpler.plan.head == compose_plan("head=plain", small=False).head


@pytest.mark.parametrize("words", [(), ("input=text", "backbone=hashed_words")])
def test_where_there_is_none_it_is_refused_by_name(compose_plan: PlanOf, words: tuple[str, ...]) -> None:
    plan = compose_plan(*words, small=False)
    with pytest.raises(PlanError, match=r"baselines=simpler: for the \w+ there is none simpler than .*; leave it out"):
        arrangements(plan, Study(baselines=("simpler",)), SITES, {})


def test_it_is_said_when_the_larger_network_is_not_shown_to_be_better() -> None:
    assert not_better({"mean": 0.05, "low": 0.01, "high": 0.09}) == []
    assert not_better({"mean": None, "low": None, "high": None}) == []
    (said,) = not_better({"mean": 0.01, "low": -0.02, "high": 0.04})
    assert said == (
        "the plan's network is not shown to be better than the simplest one: the difference is +0.010 (95 % interval "
        "-0.020 to +0.040)"
    )
    assert not_better({"mean": -0.01, "low": None, "high": None})[0].endswith("the difference is -0.010")

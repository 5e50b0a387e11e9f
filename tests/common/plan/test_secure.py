"""``aggregation``: what can't work on sums is refused by name; off, it is not in a plan's digest."""

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
TABLE = (
    "+table={numeric: [age], categorical: [], missing: [], indicate_missing: false, statistics: federated, "
    "min_count: 5}",
    "data.image_size=null",
    "backbone=identity",
    "head=plain",
)


def test_the_group_chooses_what_works_on_sums(compose_plan: Composer) -> None:
    plan = compose_plan("aggregation=secure")
    assert plan.aggregation.secure and not plan.calibration.by_site and plan.decide.by_site == "pooled"
    word = compose_plan("aggregation.secure=on", "calibration.by_site=false", "decide.by_site=pooled")
    assert word.digest == plan.digest


def test_off_it_is_not_in_the_digest(compose_plan: Composer) -> None:
    plain, plan = compose_plan(), compose_plan("calibration.by_site=false", "decide.by_site=pooled")
    assert plain.digest == compose_plan("aggregation=plain").digest
    assert plan.digest != compose_plan("aggregation=secure").digest
    assert compose_plan("aggregation=secure").digest != compose_plan("aggregation=secure", "aggregation.norm=9").digest


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("strategy=median",), "aggregation.secure tells the coordinator sums only"),
        (("strategy=krum",), "use strategy=fedavg, fedprox, fedadam or exact"),
        (("bounds.clip=2",), "leave bounds out: each site shortens its own update to aggregation.norm"),
        (("compression=topk",), "set compression=none"),
        (("calibration.by_site=true",), "set calibration.by_site=false, as aggregation=secure does"),
        (("decide.by_site=own",), "set decide.by_site=pooled, as aggregation=secure does"),
        (("audit.columns=[sex]",), "set audit.columns=[]"),
        (("hold_out=[alder]",), "set hold_out=[]"),
        (("alignment=coral",), "does not sum an alignment's moments; set alignment=none"),
        (TABLE, "(table.statistics=plan)"),
        (("harmonise=histogram",), "give harmonise.reference, or set harmonise=none"),
        (("engine=ray", "engine.together=false", "engine.store=disk"), "use engine=inprocess"),
    ],
)
def test_what_can_not_work_on_sums(compose_plan: Composer, words: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as found:
        compose_plan("aggregation=secure", *words)
    assert any(problem.startswith("aggregation.secure ") and text in problem for problem in found.value.problems)


@pytest.mark.parametrize("strategy", ["fedavg", "fedprox", "fedadam", "exact"])
def test_strategies_that_need_sums_only(compose_plan: Composer, strategy: str) -> None:
    more = ("strategy.proximal_mu=0.1",) if strategy == "fedprox" else ()
    assert compose_plan("aggregation=secure", f"strategy={strategy}", *more).aggregation.secure


def test_options_without_effect(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"aggregation\.threshold, range and norm have no effect"):
        compose_plan("aggregation.norm=3")
    with pytest.raises(PlanError, match=r"aggregation\.threshold=0\.5"):
        compose_plan("aggregation=secure", "aggregation.threshold=0.5")


def test_survival_needs_nothing_said_of_calibration_and_decisions(compose_plan: Composer) -> None:
    """The group sets both to what works on sums; of a task without probabilities neither has an effect."""
    survival = ("data.task=survival", "data.classes=[]", "loss=cox", "loss.weights=none", "initial=none")
    plan = compose_plan("aggregation=secure", *survival)
    assert not plan.calibration.by_site and plan.decide.by_site == "pooled"
    assert compose_plan("aggregation=secure", *survival, "calibration.by_site=true", "decide.by_site=shrunk")
    for words in (("calibration.by_site=false",), ("decide.by_site=pooled",)):
        with pytest.raises(PlanError, match=r"has no effect with a data\.task that has no probabilities"):
            compose_plan(*survival, *words)
    with pytest.raises(PlanError, match=r"has no effect with a data\.task that has no probabilities"):
        compose_plan("aggregation=secure", *survival, "decide.coverage=0.8")

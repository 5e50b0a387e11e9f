"""Which sites, cases and plans each baseline is run with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.graft_sections import AdaptSection
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study.baselines import (
    Arrangement,
    alone,
    arrangements,
    require_suited,
    scaled_by_itself,
    without,
)
from fedgraft.simulations.study.splits import with_splits

Composer = Callable[..., Plan]
ALL = Study(("local", "pooled", "leave_one_site_out"))


def cases(site: str, count: int) -> tuple[Case, ...]:
    """Two cases of each patient."""
    return tuple(
        Case(path=f"/{site}/{n}.png", label=("clear", "lesion")[n // 2 % 2], patient=f"{site}-{n // 2}")
        for n in range(count)
    )


@pytest.fixture
def partitioned() -> Partitioned:
    return Partitioned({name: cases(name, count) for name, count in (("a", 40), ("b", 60), ("c", 80))}, ())


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"FEDGRAFT_CACHE": str(tmp_path)}


def named(found: list[Arrangement]) -> dict[str, Arrangement]:
    return {one.name: one for one in found}


def test_the_federation_is_first_and_as_planned(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan()
    first, *others = arrangements(plan, ALL, partitioned, environ)
    assert (first.name, first.plan, first.partitioned, first.tested) == (
        "federated",
        plan,
        partitioned,
        ("a", "b", "c"),
    )
    assert [one.name for one in others] == [
        *("local-a", "local-b", "local-c", "pooled"),
        *(f"leave_one_site_out-{site}" for site in "abc"),
    ]


def test_local_has_one_site_and_its_own_cases(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    one = named(arrangements(compose_plan("strategy=fedadam"), ALL, partitioned, environ))["local-b"]
    assert one.partitioned.sites == {"b": partitioned.sites["b"]}
    assert one.tested == ("b",) and one.plan.hold_out == ()
    assert (one.plan.patience.quorum_sites, one.plan.strategy.fraction) == (1, 1.0)
    assert one.plan.strategy.target.endswith(".FedAvg")


def test_pooled_trains_on_every_site_s_training_cases_and_no_other(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    """And chooses on their validation cases; each site's test cases stay with it, split as the site itself does."""
    plan = compose_plan()
    one = named(arrangements(plan, ALL, partitioned, environ))["pooled"]
    expected = {name: split_as_planned(some, plan.data, plan.seed) for name, some in partitioned.sites.items()}
    joined = split_as_planned(one.partitioned.sites["pooled"], one.plan.data, one.plan.seed)
    for part in ("train", "val"):
        assert {case.path for case in joined[part]} == {case.path for some in expected.values() for case in some[part]}
    assert joined["test"] == ()
    assert one.plan.hold_out == one.tested == ("a", "b", "c")
    assert {name: one.partitioned.sites[name] for name in "abc"} == partitioned.sites


def test_pooled_leaves_out_whom_the_plan_holds_out(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan("hold_out=[b]")
    one = arrangements(plan, Study(("pooled",)), partitioned, environ)[1]
    assert not any(case.patient.startswith("b") for case in one.partitioned.sites["pooled"])
    assert one.tested == ("a", "b", "c")


def test_pooled_under_a_central_test_needs_no_other_site(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan()
    plan = replace(plan, data=replace(plan.data, test="coordinator", test_fraction=0.0))
    one = arrangements(plan, Study(("pooled",)), replace(partitioned, test=cases("t", 4)), environ)[1]
    assert (
        list(one.partitioned.sites) == ["pooled"] and one.partitioned.test == cases("t", 4) and one.plan.hold_out == ()
    )


def test_a_site_may_be_called_pooled(compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]) -> None:
    taken = Partitioned({**partitioned.sites, "pooled": cases("p", 40)}, ())
    one = arrangements(compose_plan(), Study(("pooled",)), taken, environ)[1]
    assert list(one.partitioned.sites) == ["pooled-all", "a", "b", "c", "pooled"]


def test_a_site_that_is_left_out_is_held_out_and_adapted(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan("patience.quorum_sites=3")
    study = replace(ALL, adapt=AdaptSection("fedgraft.x", {}))
    one = named(arrangements(plan, study, partitioned, environ))["leave_one_site_out-c"]
    assert one.plan.hold_out == one.tested == ("c",)
    assert (
        one.plan.patience.quorum_sites == 2 and one.plan.adapt.target == "fedgraft.x" and one.partitioned == partitioned
    )


def test_alone_takes_away_what_acts_between_sites(compose_plan: Composer) -> None:
    plan = compose_plan("compression=int8", "compression.down=int8", "strategy=fedprox", "clock=clinics")
    assert plan.loss.weights == "global"
    one = alone(plan)
    assert (one.loss.weights, one.compression.target, one.compression.down, one.clock) == (
        *("local", None, "exact"),
        None,
    )
    assert (one.train, one.augment, one.backbone, one.head) == (plan.train, plan.augment, plan.backbone, plan.head)
    secure = compose_plan("aggregation=secure")
    assert secure.aggregation.secure and not alone(secure).aggregation.secure


def test_without_takes_away_what_it_is_told(compose_plan: Composer) -> None:
    plan = compose_plan("loss.scheme=effective", "loss.beta=0.9", "loss.absent=mask", "select=best")
    assert without(plan, ()) == plan
    less = without(plan, ("loss.weights", "loss.absent", "select"))
    assert less == compose_plan("loss.weights=none")
    flat = without(compose_plan("loss=logit_adjusted", "loss.tau=2"), ("loss.prior",))
    assert flat == compose_plan("loss.weights=none")
    assert without(compose_plan("sampling=over", "loss.weights=none"), ("sampling",)) == flat
    between = compose_plan("initial=prototypes", "initial.interpolate=[0.5]")
    assert without(between, ("initial.interpolate",)) == compose_plan("initial=prototypes")


def test_the_splits_given_are_the_site_s_own(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan("seed=5")
    own = split_as_planned(partitioned.sites["a"], plan.data, plan.seed)
    side = {case.path: part for part, some in own.items() for case in some}
    assert {case.path: case.split for case in with_splits(plan, partitioned.sites["a"], environ)} == side


def test_one_site_can_t_be_compared(compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]) -> None:
    alone_there = Partitioned({"a": partitioned.sites["a"]}, ())
    with pytest.raises(PlanError, match="with one site there is nothing to federate"):
        arrangements(compose_plan(), ALL, alone_there, environ)


def test_layers_that_stay_at_a_site_can_t_be_pooled(compose_plan: Composer, environ: dict[str, str]) -> None:
    plan = compose_plan("adaptation=fedbn")
    require_suited(plan, Study(("local", "leave_one_site_out")), environ)
    with pytest.raises(PlanError, match=r"baselines=pooled: the layers of adaptation=fedbn stay.*leave pooled out"):
        require_suited(plan, ALL, environ)


def test_a_head_that_stays_at_a_site_can_t_be_left_out(compose_plan: Composer, environ: dict[str, str]) -> None:
    plan = compose_plan("personal=fedper", "adaptation=ssf")
    require_suited(plan, Study(("local", "pooled")), environ)
    with pytest.raises(PlanError, match=r"baselines=leave_one_site_out: the head stays at each site"):
        require_suited(plan, ALL, environ)


def test_what_can_t_be_adapted_at_a_site_left_out_is_said_at_once(
    compose_plan: Composer, environ: dict[str, str]
) -> None:
    """A vision transformer has no batch norm."""
    adabn = compose_plan("adapt=adabn", "hold_out=[a]").adapt
    require_suited(compose_plan(), replace(ALL, adapt=adabn), environ)
    transformer = compose_plan("backbone.name=test_vit", "data.image_size=160")
    with pytest.raises(PlanError, match="adapt"):
        require_suited(transformer, replace(ALL, adapt=adabn), environ)


def test_what_a_baseline_s_plan_contradicts_is_named_with_it(
    compose_plan: Composer, partitioned: Partitioned, environ: dict[str, str]
) -> None:
    plan = compose_plan()
    broken = replace(plan, data=replace(plan.data, classes=("clear",)))
    with pytest.raises(PlanError, match=r"baselines=local: data.classes must name two classes"):
        arrangements(broken, ALL, partitioned, environ)


def test_a_site_alone_tells_its_moments_only_where_the_coordinator_tests(compose_plan: Composer) -> None:
    words = ("features=taps", "head=plain")
    assert scaled_by_itself(compose_plan(*words)).features.scale == "own"
    tested = compose_plan(*words, "data=pneumoniamnist", "partition.sites=2", "partition.alpha=0.5")
    assert scaled_by_itself(tested).features.scale == "common"

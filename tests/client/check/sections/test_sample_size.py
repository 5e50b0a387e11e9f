"""Large enough for the plan? On rolls of a few cases, with plans composed by Hydra."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.sections.sample_size import readiness
from fedgraft.client.cohort.case import Case
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.plan.plan import Plan

from ..conftest import case, case_table_of

Composer = Callable[..., Plan]
SITE = SiteFile("north", Path("/m.csv"), Path("/state"))


def dealt(plan: Plan, **counts: tuple[int, int]) -> CaseTable:
    """``train=(clear, lesion)`` and so on."""
    cases: list[Case] = []
    for side, (clear, lesion) in counts.items():
        cases += [case(len(cases) + at, "clear", split=side) for at in range(clear)]
        cases += [case(len(cases) + at, "lesion", split=side) for at in range(lesion)]
    return case_table_of(cases, plan.data)


def texts(case_table: CaseTable, plan: Plan, site: SiteFile = SITE) -> list[str]:
    return [str(one) for one in readiness(case_table, plan, site).findings]


def test_enough_of_everything(compose_plan: Composer) -> None:
    plan = compose_plan()
    section = readiness(dealt(plan, train=(20, 20), val=(10, 10), test=(10, 10)), plan, SITE)
    assert [str(one) for one in section.findings] == ["ok       size: enough cases of every kind in every split"]
    assert section.grids[0].header == ("split", "usable cases", "patients", "clear", "lesion")
    assert section.grids[0].rows[0] == ("train", "40", "40", "20", "20")


def test_one_fewer_of_each_is_a_warning(compose_plan: Composer) -> None:
    plan = compose_plan()
    assert texts(dealt(plan, train=(19, 20), val=(10, 9), test=(9, 10)), plan) == [
        "warning  train: fewer than 20 cases of: clear 19; hardly anything is learnt of them here; "
        "more cases, or fewer classes",
        "warning  val: fewer than 10 cases of: lesion 9; their figures are little more than chance; "
        "more cases, or fewer classes",
        "warning  test: fewer than 10 cases of: clear 9; their figures are little more than chance; "
        "more cases, or fewer classes",
    ]


def test_a_site_of_one_class(compose_plan: Composer) -> None:
    plan = compose_plan()
    found = texts(dealt(plan, train=(40, 0), val=(10, 10), test=(10, 10)), plan)
    assert found == [
        "warning  train: all training cases are of one class, clear; training here pulls every site's model to this "
        "class; ask whether that is wanted"
    ]


def test_nothing_to_train_on_is_a_problem(compose_plan: Composer) -> None:
    plan = compose_plan()
    found = texts(dealt(plan, val=(10, 10), test=(10, 10)), plan)
    assert found == [
        "problem  train: no usable case is left to train on; lower data.val_fraction and data.test_fraction, or name "
        "other splits"
    ]


def test_fewer_than_a_batch(compose_plan: Composer) -> None:
    plan = compose_plan("train.batch_size=64")
    found = texts(dealt(plan, train=(20, 20), val=(10, 10), test=(10, 10)), plan)
    assert found == [
        "warning  train: 40 cases, fewer than train.batch_size=64; each epoch is a single step here; "
        "a smaller batch makes it more"
    ]


def test_a_split_that_the_plan_wants_is_empty(compose_plan: Composer) -> None:
    plan = compose_plan()
    found = texts(dealt(plan, train=(20, 20), val=(10, 10)), plan)
    assert found == ["warning  test: no case; the site has no figures of its own on it"]


def test_what_the_site_file_holds_back(compose_plan: Composer) -> None:
    plan = compose_plan("loss.weights=global")
    case_table = dealt(plan, train=(20, 4), val=(2, 2), test=(5, 5))
    held = [text for text in texts(case_table, plan) if " release: " in text]
    assert held == [
        "warning  release: the evaluation on val stays here: fewer cases than release.min_count=5; the report shows no "
        "figures of this site on it",
        "warning  release: class counts stay here: one lies between 0 and release.min_count=5; the plan's global class "
        "counts come from the other sites",
    ]
    closed = SiteFile("north", Path("/m"), Path("/s"), release=ReleasePolicy(evaluation=False, class_counts=False))
    assert not [text for text in texts(case_table, plan, closed) if " release: " in text]


def test_survival_counts_events(compose_plan: Composer) -> None:
    plan = compose_plan()
    plan = replace(plan, data=replace(plan.data, task="survival", classes=()))
    rows = [("train", 9), ("val", 10), ("test", 10)]
    cases = [
        case(100 * side + at, "", split=name, time="2", event="1" if at < events else "0")
        for side, (name, events) in enumerate(rows)
        for at in range(40)
    ]
    assert texts(case_table_of(cases, plan.data), plan) == [
        "warning  train: 9 events among 40 cases, fewer than 10; hardly anything is learnt of them here; "
        "more cases, or a longer follow-up"
    ]


def test_a_survival_plan_may_take_all_cases_at_once(compose_plan: Composer) -> None:
    plan = compose_plan("train.batch_size=1024")
    plan = replace(plan, data=replace(plan.data, task="survival", classes=()))
    cases = [case(at, "", split=("train", "val", "test")[at % 3], time="2", event="1") for at in range(30)]
    assert texts(case_table_of(cases, plan.data), plan) == ["ok       size: enough cases of every kind in every split"]


def test_both_sides_of_every_finding(compose_plan: Composer) -> None:
    """``mass`` is known of 25 training cases, 20 of them without it; nobody tested lacks it."""
    plan = compose_plan()
    plan = replace(plan, data=replace(plan.data, task="multilabel", classes=("mass",), val_fraction=0.0))
    cells = ["1"] * 5 + ["0"] * 20 + [""] * 40
    cases = [case(at, "", split="train", mass=cell) for at, cell in enumerate(cells)]
    cases += [case(100 + at, "", split="test", mass="1") for at in range(10)]
    section = readiness(case_table_of(cases, plan.data), plan, SITE)
    assert [str(one) for one in section.findings] == [
        "warning  train: fewer than 20 cases of: mass 5; hardly anything is learnt of them here; more cases, or fewer "
        "findings",
        "warning  test: no case of: without mass; they have no figures here; more cases, or fewer findings",
    ]
    (grid,) = section.grids
    assert grid.title == "usable cases with / without a finding (+ unknown)"
    assert grid.rows == (("mass", "5 / 20 (+ 40)", "0 / 0", "10 / 0"),)


def test_one_case_of_a_class_is_a_red_flag(compose_plan: Composer) -> None:
    plan = compose_plan()
    found = texts(dealt(plan, train=(20, 1), val=(10, 10), test=(10, 10)), plan)
    assert any("one case of a class: north has a class with one training case" in one for one in found)

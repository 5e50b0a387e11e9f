"""`baselines`, `seeds`, `lrs`, `folds` and `cases` on the command line: what they are, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.options import Study, split_off
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

Ask = Callable[..., tuple[Plan, Study]]


@pytest.fixture
def ask() -> Ask:
    def asked(*overrides: str) -> tuple[Plan, Study]:
        planned = composed(Words(overrides))
        return planned.plan, planned.study

    return asked


def test_they_are_no_part_of_the_plan(ask: Ask) -> None:
    plan, none = ask()
    same, study = ask("baselines=[pooled,local]", "seeds=[0,3]", "lrs=[0.01,1]")
    assert plan.digest == same.digest
    assert not none.is_asked
    assert study == Study(("pooled", "local"), (0, 3), (0.01, 1.0))


def test_the_sentence_of_fedgraft_plan_names_all_that_would_be_run(ask: Ask) -> None:
    plan, study = ask("baselines=[local,pooled,leave_one_site_out]", "seeds=[4,5]")
    assert study.sentence(plan) == (
        "with each of the seeds 4, 5, at each of the rates 0.01: the federation, each site alone, all cases together, "
        "all sites but one, for each one"
    )


def test_folds_and_cases_are_in_the_sentence_and_a_curve_is_beside_each_site_alone(ask: Ask) -> None:
    plan, study = ask("folds=5", "cases=[all,25,10]")
    assert (study.folds, study.cases, study.sizes) == (5, ("all", 25, 10), (10, 25, "all"))
    assert study.baselines == ("local",) and ask("cases=[10]", "baselines=[pooled]")[1].baselines == ("pooled",)
    assert ask("folds=2")[1].is_asked
    assert study.sentence(plan) == (
        "with each of the seeds 0, at each of the rates 0.01, in each of 5 folds, with 10, 25, all training cases per "
        "class and site: the federation, each site alone"
    )


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ["baselines=[pool]"],
            "baselines='pool': input should be 'local', 'pooled', 'leave_one_site_out' or 'simpler'",
        ),
        (["seeds=[-1]"], "seeds=-1: input should be greater than or equal to 0"),
        (["lrs=[0]"], "lrs=0: input should be greater than 0"),
        (["seeds=[1,1]"], "seeds names one twice"),
        (["seed=7", "seeds=[0,1]"], "seed=7 has no effect beside seeds=[0, 1]"),
        (["seeds=[0]", "release.evaluation=false"], "set release.evaluation=true"),
        (["lrs=[1,2]", "data.val_fraction=0"], "lrs needs validation cases to choose by; set data.val_fraction"),
        (["seeds=[0]", "data.test_fraction=0"], "data.test_fraction=0 leaves the sites no test cases; set data.test_f"),
        (
            ["baselines=[leave_one_site_out]", "data=pneumoniamnist"],
            "data.test=coordinator leaves it no test cases; use data.test=sites data.test_fraction=0.2",
        ),
        (["lrs=[1,2]", "strategy=exact"], "lrs has no effect with strategy=exact, which has no learning rate"),
        (["baselines=[leave_one_site_out]", "hold_out=[birch]"], "both choose who is left out"),
        (["folds=1"], "folds=1: input should be greater than or equal to 2"),
        (
            ["folds=5", "data=pneumoniamnist"],
            "the official test set is scored; use data.test=sites, or leave folds out",
        ),
        (["folds=5", "data=tcga_brca"], "folds=5 deals the cases anew, and with data.test=given they keep the split"),
        (
            ["cases=[10]", "baselines=[leave_one_site_out]"],
            "cases=[10] thins all training cases by their labels, and the site that is left out may not look at them",
        ),
        (["cases=[0]"], "cases=0: input should be greater than or equal to 1"),
        (["cases=[few]"], "cases='few': input should be 'all'"),
        (["cases=[10,10]"], "cases names one twice"),
        (["cases=[10]", "data=tcga_brca"], "with data.task=survival a case has not one class; leave cases out"),
        (["cases=[10]", "data=nih_cxr1000_findings"], "with data.task=multilabel a case has not one class"),
    ],
)
def test_what_is_wrong_is_named(ask: Ask, overrides: list[str], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        ask(*overrides)
    assert words in str(caught.value)


def test_its_problems_come_with_those_of_the_plan(ask: Ask) -> None:
    with pytest.raises(PlanError, match="2 problems"):
        ask("lrs=[0]", "rounds=0")


def test_adapt_moves_to_the_sites_that_are_left_out() -> None:
    raw = {"baselines": ["leave_one_site_out"], "adapt": {"_target_": "fedgraft.x", "passes": 2}, "hold_out": []}
    study, plan, problems = split_off(raw)
    assert problems == []
    assert (study.adapt.target, study.adapt.options) == ("fedgraft.x", {"passes": 2})
    assert plan == {"adapt": {"_target_": None}, "hold_out": []}
    for elsewhere in ({**raw, "hold_out": ["birch"]}, {**raw, "baselines": ["local"]}):
        study, plan, _ = split_off(elsewhere)
        assert study.adapt.target is None and plan["adapt"] == raw["adapt"]

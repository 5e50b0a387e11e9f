"""`against` and `reference`: how rivals are typed, composed and called, and what is refused by name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import fedgraft as fg
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.against import called, quoted
from fedgraft.simulations.planning.choices import groups
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.planning.planned import Planned


@pytest.fixture(scope="module")
def plan() -> Plan:
    return fg.plan().plan


def rivals(*against: str, words: Sequence[str] = ()) -> Planned:
    return fg.plan(*words, f"against=[{','.join(against)}]")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (
            "against=[strategy=fedprox,adaptation=ssf rounds=3]",
            "against=['strategy=fedprox','adaptation=ssf rounds=3']",
        ),
        ('against=["strategy=fedprox", "rounds=3"]', 'against=["strategy=fedprox","rounds=3"]'),
        ("against=strategy=fedprox", "against=['strategy=fedprox']"),
        ("against=[a.b=[1,2] c={d: 3},e=(4,5)]", "against=['a.b=[1,2] c={d: 3}','e=(4,5)']"),
        ("against=[a='b,c']", "against=['a=\\'b,c\\'']"),
        ("against=[]", "against=[]"),
        ("against=[a=1],[a=2 b=3,a=3]", "against=['a=1'],['a=2 b=3','a=3']"),
        ("against=[a=(1]", "against=[a=(1]"),
        ("reference=strategy=fedprox", "reference='strategy=fedprox'"),
        ("reference='a=b'", "reference='a=b'"),
        ("reference=fedprox", "reference=fedprox"),
        ("strategy=fedprox", "strategy=fedprox"),
    ],
)
def test_quotes_that_a_shell_took_away_are_put_back(typed: str, read: str) -> None:
    assert quoted(typed) == read and quoted(read) == read


def test_a_rival_is_the_plan_that_its_words_would_make() -> None:
    """What the recipe says of a part that the rival replaces goes with it, and nothing else does."""
    base = ("data.sites=2", "strategy=fedadam", "strategy.eta=0.1", "strategy.fraction=0.5", "rounds=3")
    found = rivals("strategy=fedprox strategy.proximal_mu=2", "features=taps", words=base)
    first, second = found.study.rivals
    words = ("data.sites=2", "strategy=fedprox", "strategy.proximal_mu=2", "strategy.fraction=0.5", "rounds=3")
    assert first.plan == fg.plan(*words).plan
    assert first.without == ("strategy.eta=0.1",) and second.without == ()
    assert second.plan == fg.plan(*base, "features=taps").plan
    assert found.found == (
        "strategy=fedprox strategy.proximal_mu=2: without strategy.eta=0.1, which has no place there",
    )
    assert found.digest == fg.plan(*base).digest and (found.study.recipe, found.study.reference) == ("the plan", None)


def test_keywords_are_replaced_as_words_are() -> None:
    words = "against=[strategy=fedprox train.lr=0.1]"
    (rival,) = fg.plan(words, strategy="fedadam", strategy__eta=0.1, train={"lr": 0.5, "epochs": 2}).study.rivals
    assert rival.plan == fg.plan("strategy=fedprox", "train.lr=0.1", "train.epochs=2").plan
    assert rival.without == ("strategy.eta=0.1",)


@pytest.mark.parametrize(
    ("words", "recipe", "names"),
    [
        (("strategy=fedprox", "strategy=fedadam strategy.eta=0.1"), "fedavg", ["fedprox", "fedadam eta=0.1"]),
        (("adaptation=ssf", "adaptation=lora rounds=3"), "adaptation=none", ["ssf", "lora rounds=3"]),
        (("train.lr=0.1",), "lr=0.01", ["lr=0.1"]),
        (("rounds=3", "rounds=9"), "rounds=20", ["rounds=3", "rounds=9"]),
        (("strategy=fedprox", "rounds=3"), "the plan", ["strategy=fedprox", "rounds=3"]),
        (("train=sgd_table",), "the plan", ["train=sgd_table"]),
        (("backbone=timm backbone.name=test_efficientnet",), "tf_efficientnet_lite0", ["timm name=test_efficientnet"]),
        (("strategy=fedavg strategy.fraction=0.5",), "fedavg", ["fedavg fraction=0.5"]),
        (("strategy=fedprox", "+strategy=fedprox"), "the plan", ["strategy=fedprox", "+strategy=fedprox"]),
    ],
)
def test_what_all_rivals_say_first_is_left_out_of_their_names(
    plan: Plan, words: Sequence[str], recipe: str, names: list[str]
) -> None:
    split = [one.split() for one in words]
    assert called(split, plan, groups(), ("federated", "local")) == (recipe, names)


def test_a_name_that_a_baseline_has_is_none_for_a_rival(plan: Plan) -> None:
    assert called([["strategy=local"]], plan, groups(), ("local",)) == ("the plan", ["strategy=local"])


WRONG = {
    "strategy=fedavg": "it is the recipe itself; leave it out, or change a word",
    "strategy=fedprx": "strategy=fedprx: there is no such strategy (did you mean fedprox?)",
    "fedadam": "fedadam is not of the form name=value (did you mean strategy=fedadam?)",
    "strategy.proximal_mu=1": "strategy.proximal_mu is not an option here; to give a part one of its own, write +",
    "rounds=-1": "rounds=-1: input should be greater than or equal to 0",
    "data.test_fraction=0.4": "it changes data.test_fraction, and recipes are compared on the same cases, sites",
    "seed=3 rounds=2": "it changes seed, and",
    "hold_out=[birch]": "it changes hold_out, and",
    "aggregation=secure strategy=fedavg": "aggregation=secure tells no figure by hospital, and recipes are compared",
    "calibration=none": "it has no effect on any figure that is compared; leave it out",
    "rounds=3 clock=none": "trains what 'rounds=3' does; leave one out",
    "rounds=3 seeds=[1]": "seeds=[1] is about the whole study, all of whose recipes have the same; write it beside",
    "train.lr=0.5": "train.lr=0.5 has no effect beside lrs=[0.1, 0.3], of which each recipe takes its best; leave one",
    "": "it has no word; write what the rival replaces, as strategy=fedprox",
}


def test_all_that_is_wrong_with_rivals_is_said_by_name_at_once() -> None:
    listed = ",".join(f"'{text}'" for text in ("rounds=3", *WRONG))
    with pytest.raises(fg.PlanError) as error:
        fg.plan(f"against=[{listed}]", "lrs=[0.1,0.3]")
    problems = error.value.problems
    assert len(problems) == len(WRONG)
    for (text, said), problem in zip(WRONG.items(), problems, strict=True):
        assert problem.startswith(f"against={text!r}") and said in problem


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('against=["rounds=3 \'train.lr=1"]', "a quote has no end"),
        ("against=[rounds=3", 'a rival of several words needs quotes: against=["strategy=fedprox rounds=30"]'),
        ("against=[rounds=3,rounds=3]", "against names one twice"),
        ("reference=fedprox", "reference=fedprox has no effect without rivals; give against=[...], or leave it out"),
        ("margin=0.1", "margin=0.1 has no effect: only baselines=[local] gives a verdict, and only against=[...] diff"),
    ],
)
def test_what_is_wrong_with_the_list_is_said(words: str, said: str) -> None:
    with pytest.raises(fg.PlanError) as error:
        fg.plan(words)
    assert said in str(error.value)


def test_rates_are_of_the_whole_study_and_none_of_exact() -> None:
    assert rivals("strategy=exact", words=["lrs=[0.1,0.3]"]).study.rivals[0].name == "exact"
    with pytest.raises(
        fg.PlanError, match=r"lrs has no effect with strategy=exact, which has no learning rate; leave it"
    ):
        rivals("strategy=exact_strong", words=["strategy=exact", "lrs=[0.1,0.3]"])


def test_the_reference_is_a_recipe_by_its_name_or_its_words() -> None:
    assert fg.plan("against=[strategy=fedprox]", "reference=strategy=fedprox").study.reference == "fedprox"
    with pytest.raises(fg.PlanError, match=r"reference=krum: no recipe is called so; choose one of fedavg, fedprox"):
        fg.plan("against=[strategy=fedprox]", "reference=krum")


def test_a_plan_of_a_file_has_no_words_to_replace(tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("plan")
    (out / "plan.yaml").write_text(fg.plan().to_yaml(), encoding="utf-8")
    with pytest.raises(
        fg.PlanError, match=r"against replaces words of the plan, and one that was read from a file has no"
    ):
        fg.study(out / "plan.yaml", against=["strategy=fedprox"])


def test_rivals_are_a_study_and_have_no_part_in_the_plan() -> None:
    found = rivals("strategy=fedprox", words=["cases=[10,all]"])
    assert found.digest == fg.plan().digest and found.study.is_asked and found.study.baselines == ()
    assert "the federation, against it strategy=fedprox" in found.study.sentence(found.plan)
    assert not Study().is_asked and Study(against=("rounds=3",)).is_asked

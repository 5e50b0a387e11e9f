"""The plans that tests ask for are those that a user's words give."""

from __future__ import annotations

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.simulations.planning.words import composed, words_of

from .conftest import HOSPITALS, MODEL
from .plans import plan_of_words

STATISTICS = (
    "+table={numeric: [age, pressure], categorical: [sex], missing: ['?'], indicate_missing: true, "
    "statistics: plan, min_count: 2}"
)
READ = [
    (),
    (*MODEL, *HOSPITALS),
    ("train.lr=0.5", "loss=focal", "strategy=fedadam", "loss.gamma=1.5", "strategy.lr=0.1", "rounds=7"),
    ("data=uci_heart", "backbone=identity", "data.image_size=null"),
    ("backbone=identity", "data.image_size=null", STATISTICS, "+table.means={age: 1.0, pressure: 2.0}"),
    ("hold_out=[birch]", "hold_out=[cedar]", "loss.weights=global"),
    ("features=taps", "features.statistics=[mean,maximum]", "features.scale=own", "features.shrink=10"),
    ("strategy=exact", "personal=intercept", "loss.weights=none"),
    ("data=breast_us", "strategy=fedavg", "features=last"),  # its own choice is one that chooses another
    ("data=tcga_path", "head=cosine", "partition=none"),
    ("aggregation=secure", "strategy=fedprox", "loss=focal"),
    ("strategy=exact_strong", "head=plain"),
    ("experiment=breast_us", "head=linear"),
]
LEFT_TO_HYDRA = [("~hold_out",), ("++rounds=3",), ("+rounds=3", "seed=1"), ("harmonise@clock=none",)]
REFUSED = [
    ("loss=[focal,ldam]",),
    ("loss=null",),
    ("loss=3",),
    ("loss=no_such",),
    ("loss=focal", "loss=ldam"),
    ("rounds=1,2",),
    ("no_such=1",),
    ("+no_such=1",),
    ("train.no_such=1",),
    ("hydra.verbose=true",),
    ("+hydra.no_such=1",),
    ("rounds",),
    ("rounds=many", "seed=-1"),
    ("strategy=exact", "initial=ridge", "rounds=0"),
]


@pytest.mark.parametrize("words", [*READ, *LEFT_TO_HYDRA, *REFUSED], ids=" ".join)
def test_they_are_what_the_words_compose(words: tuple[str, ...]) -> None:
    try:
        expected = composed(words_of(words, {})).plan
    except PlanError as error:
        with pytest.raises(PlanError) as caught:
            plan_of_words(words)
        assert caught.value.problems == error.problems
    else:
        assert plan_of_words(words) == expected


def test_the_same_words_give_one_plan_and_others_leave_it_as_it_is() -> None:
    plain = plan_of_words(("seed=3",))
    assert plan_of_words(("seed=3",)) is plain
    assert plan_of_words(("seed=3", "train.lr=0.25")).train.lr == 0.25 != plain.train.lr
    assert plain == composed(words_of(("seed=3",), {})).plan

"""A plan from Python: words and keywords, and everything that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from fedgraft.common.errors import PlanError
from fedgraft.simulations.api import plan
from fedgraft.simulations.planning.planned import Planned


def problems(*words: str, **options: object) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        plan(*words, **options)
    return caught.value.problems


def test_words_and_keywords_say_the_same() -> None:
    by_words = plan(
        "loss=focal", "rounds=8", "train.lr=0.5", "hold_out=[birch]", "data.image_size=null", "loss.gamma=1"
    )
    by_keywords = plan(
        loss="focal", rounds=8, train__lr=0.5, hold_out=("birch",), data={"image_size": None}, loss__gamma=1
    )
    assert by_words.plan == by_keywords.plan
    assert by_words == by_keywords  # the words themselves don't count


def test_a_keyword_wins_over_a_word_and_none_of_a_group_is_its_member_none() -> None:
    assert plan("rounds=8", "strategy=fedprox", rounds=3, strategy="fedavg").rounds == 3
    assert plan("clock=clinics", clock=None).clock is None
    assert plan("adaptation=ssf", adaptation=None).adaptation.target is None


def test_values_are_pythons_and_text_is_never_parsed() -> None:
    """In Hydra's words each of these would need quotes."""
    table = {"numeric": ["a,b=c", "x.y"], "categorical": (), "statistics": "plan", "min_count": np.int64(1)}
    rest = {"missing": ["", "{?}"], "indicate_missing": False, "means": {"a,b=c": 1, "x.y": np.float32(0.5)}}
    made = plan(
        "backbone=identity",
        data__image_size=None,
        table={**table, **rest, "deviations": {"a,b=c": 1, "x.y": 2}},
        backbone__weights=Path("none"),
    )
    assert made.table.numeric == ("a,b=c", "x.y")
    assert made.table.missing == ("", "{?}")
    assert made.table.means == {"a,b=c": 1.0, "x.y": 0.5}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems(
        "loss=focall", "rounds", "a=1,2", "hydra.run.dir=x", "partition.alpha=1", "head.bais=1", train__lrr=1, seed=-1
    )
    assert found[0] == (
        "loss=focall: there is no such loss (did you mean focal?); choose one of binary_cross_entropy, cox, "
        "cross_entropy, focal, ldam, logit_adjusted"
    )
    assert found[1:] == (
        "'rounds' is not of the form name=value",
        "a=1,2: several values are several plans; make each by itself, in a loop",
        "hydra.run.dir=x has no effect here; fedgraft.simulate(plan, out=...) takes the folder",
        "partition.alpha=1: partition.alpha is not an option here; to give a part one of its own, write "
        "+partition.alpha=1",
        "head.bais=1: head.bais is not an option here; to give a part one of its own, write +head.bais=1",
        "seed=-1: input should be greater than or equal to 0",
        "train.lrr is not an option",
    )


def test_a_group_set_to_no_member_is_named() -> None:
    for word in ("loss=null", "loss=3"):
        (found,) = problems(word)
        assert found.startswith(f"{word}: there is no such loss; choose one of binary_cross_entropy, ")


def test_what_is_not_text_or_no_value_is_named() -> None:
    assert problems(3) == ("3 is not of the form name=value",)  # type: ignore[arg-type]
    found = problems(loss=Planned, rounds=object, release__evaluation="${nowhere}")
    assert found[0] == (
        "loss=<class 'fedgraft.simulations.planning.planned.Planned'> is no value; a class in place of a part goes to "
        "simulate(plan, parts={...})"
    )
    assert found[1].startswith("rounds=<class 'object'> is no value")
    assert "Interpolation key 'nowhere' not found" in found[2]
    assert problems(rounds=object())[0].endswith("Value 'object' is not a supported primitive type")


def test_a_value_that_needs_quotes_of_its_own_is_shown_with_them() -> None:
    for value in ("films/a b (1).csv", "x=y.csv", "it's & co.csv"):
        (found,) = problems("data=manifest", f"data.path={value}")  # and not that data.path is not set
        said, _, shown = found.partition(", within those of the shell: ")
        assert said == (
            f"{f'data.path={value}'!r} is not of the form name=value as it stands: a value with spaces, brackets or "
            "signs needs quotes of its own"
        )
        assert OverridesParser.create().parse_override(shown.strip('"')).value() == value


def test_hydras_own_state_is_left_as_it_was() -> None:
    with initialize_config_module("fedgraft.conf", version_base="1.3"):
        plan(rounds=2)
        assert compose("plan", ["rounds=5"]).rounds == 5
    assert not GlobalHydra.instance().is_initialized()


def test_a_folder_of_ones_own_adds_to_the_groups(tmp_path: Path) -> None:
    tmp_path = tmp_path / "one's own"
    (tmp_path / "loss").mkdir(parents=True)
    text = "_target_: fedgraft.common.losses.focal.FocalLoss\nweights: none\ngamma: 3.0\n"
    (tmp_path / "loss" / "hard.yaml").write_text(text, encoding="utf-8")
    assert plan(config_dir=tmp_path, loss="hard").loss.options == {"gamma": 3.0}
    assert problems(loss="hard")[0].startswith("loss=hard: there is no such loss")
    (tmp_path / "loss" / "broken.yaml").write_text("a: [1", encoding="utf-8")
    with pytest.raises(PlanError, match=r"1 problem(.|\n)*while parsing a flow sequence"):
        plan(config_dir=tmp_path, loss="broken")
    with pytest.raises(PlanError, match=r"nowhere is not a folder; name one that holds GROUP/NAME.yaml"):
        plan(config_dir=tmp_path / "nowhere")

"""What is predicted, the set of answers and the flags, of scores whose decisions are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.client.prediction.deciding import (
    STRANGE,
    Decided,
    Scores,
    also,
    decide,
    maps_of,
    never_left_out,
    only_strange,
)
from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.calibration.maps import Map
from fedgraft.common.decisions.decisions import Decisions, Rules
from fedgraft.common.plan.evidence_sections import DecideSection

TWO = ("benign", "malignant")
OWN = Rules(thresholds=(2.0,), cautious=(None,), limits=(0.0, 1.0))
POOLED = Rules(thresholds=(0.0,), cautious=(None,), limits=(0.5, 0.5))
BINARY = Decisions("classification", TWO, DecideSection(margin=0.05), POOLED, {"north": OWN})


def scored(*rows: list[float], maps: tuple[Map, ...] | None = None) -> Scores:
    scores = np.array(rows)
    return Scores(scores, maps or (Map(),) * scores.shape[1])


def test_two_classes_by_the_threshold_and_the_bounds() -> None:
    found = decide(BINARY, scored([-3.0], [0.1], [0.4], [3.0]), None, None)
    assert found.predicted == ("benign", "malignant", "malignant", "malignant")
    # benign is in the set up to log odds of 0.5 against it, malignant from -0.5 on
    assert found.sets == ("benign", "benign|malignant", "benign|malignant", "malignant")
    several = "could be benign or malignant"
    # the probability at the threshold is 0.5; at 0.1 it is 0.525, at 0.4 0.599
    assert found.why == ((), (several, "close to the threshold"), (several,), ())
    assert found.flagged == {"more than one answer": 2, "close to the threshold": 1}


def test_a_site_decides_by_its_own_rules() -> None:
    found = decide(BINARY, scored([0.1], [1.9], [2.1], [-1.5]), "north", None)
    assert found.predicted == ("benign", "benign", "malignant", "benign")
    assert found.sets == ("malignant", "malignant", "malignant", "benign")
    assert decide(BINARY, scored([1.9]), "elsewhere", None) == decide(BINARY, scored([1.9]), None, None)


def test_no_answer_fits_a_case_that_speaks_against_both() -> None:
    narrow = Decisions("classification", TWO, DecideSection(margin=0.0), Rules((0.0,), (None,), (-1.0, -1.0)))
    found = decide(narrow, scored([0.5], [1.5]), None, None)
    assert found.sets == ("", "malignant") and found.why == (("no answer fits",), ())
    assert found.flagged == {"no answer fits": 1}


def test_nearness_is_of_calibrated_probabilities() -> None:
    flat = Calibration("classification", TWO, "platt", (Map(slope=0.1),), {"north": (Map(),)})
    maps = maps_of(flat, 1, None, None)
    # 0.1 x 3 = 0.3: 0.574, farther than 0.05; 0.1 x 1.9 = 0.19: 0.547, nearer
    found = decide(BINARY, scored([3.0], [1.9], maps=maps), None, None)
    assert found.why == ((), ("close to the threshold",))
    assert maps_of(flat, 1, "north", None) == maps_of(None, 1, None, None) == (Map(),)


def test_without_a_threshold_nothing_is_predicted() -> None:
    unknown = Decisions("classification", TWO, DecideSection(), Rules((None,), (None,), (None, None)))
    found = decide(unknown, scored([5.0]), None, None)
    assert found.predicted == ("",) and found.sets == ("benign|malignant",)
    assert found.why == (("could be benign or malignant",),)


def test_of_several_classes_the_most_probable() -> None:
    rules = Rules((0.0,) * 3, (None,) * 3, (1.0,) * 3)
    three = Decisions("classification", ("a", "b", "c"), DecideSection(margin=0.1), rules)
    scores = scored([2.0, -2.0, -3.0], [0.1, 0.0, -4.0], [-2.0, -2.5, -2.0])
    found = decide(three, scores, None, None)
    assert found.predicted == ("a", "a", "a")
    assert found.sets == ("a", "a|b", "")
    assert found.why == (
        (),
        ("could be a or b", "two answers are nearly as probable"),
        ("no answer fits", "two answers are nearly as probable"),
    )


def test_each_finding_has_an_answer() -> None:
    rules = Rules((0.0, None), (None, None), (0.5, 0.5, 0.5, 0.5))
    both = Decisions("multilabel", ("edema", "effusion"), DecideSection(), rules)
    found = decide(both, scored([3.0, -3.0]), None, None)
    assert found.predicted == ("edema=yes; effusion=",) and found.sets == ("edema=yes; effusion=no",)
    assert found.why == ((),)


def test_what_is_unlike_the_training_cases_is_flagged_with_and_without_decisions() -> None:
    strange = np.array([True, False])
    found = decide(BINARY, scored([5.0], [5.0]), None, strange)
    assert found.why == ((STRANGE,), ()) and found.flagged == {STRANGE: 1}
    assert only_strange(strange) == Decided(("", ""), ("", ""), ((STRANGE,), ()), {STRANGE: 1})


def test_no_case_no_flag() -> None:
    assert decide(BINARY, Scores(np.zeros((0, 1)), (Map(),)), None, None).flagged == pytest.approx({})


def test_where_no_threshold_was_chosen_the_raw_model_decides_and_there_are_no_sets() -> None:
    """Everything may be true within limits of ``None``: no case is flagged for that where no sets are promised."""
    rules = Rules((0.0,), (None,), (None, None))
    raw = Decisions("classification", TWO, DecideSection(margin=0.05), rules, because={"malignant": "too few"})
    found = decide(raw, scored([-3.0], [0.1], [3.0]), None, None)
    assert found.predicted == ("benign", "malignant", "malignant") and found.sets == ("", "", "")
    assert found.why == ((), ("close to the threshold",), ())
    assert found.flagged == {"close to the threshold": 1}


def test_of_findings_only_one_may_have_sets() -> None:
    rules = Rules((0.0, 0.0), (None, None), (0.5, 0.5, None, None))
    section = DecideSection(margin=0.0)
    both = Decisions("multilabel", ("edema", "mass"), section, rules, because={"mass": "too few"})
    found = decide(both, scored([0.1, 3.0]), None, None)
    assert (found.predicted, found.sets) == (("edema=yes; mass=yes",), ("edema=no|yes",))
    assert found.why == (("edema: could be no or yes",),)


def test_further_reasons_are_added_with_and_without_decisions() -> None:
    decided = decide(BINARY, scored([5.0], [0.1]), None, None)
    assert also(decided, ((), ()), "far") is decided and also(None, ((), ()), "far") is None
    more = also(decided, (("age is far",), ("age is far", "bp is far")), "far")
    assert more is not None and more.predicted == decided.predicted and more.sets == decided.sets
    assert more.why == (("age is far",), (*decided.why[1], "age is far", "bp is far"))
    assert more.flagged == {**decided.flagged, "far": 2}
    assert also(None, ((), ("age is far",)), "far") == Decided(("", ""), ("", ""), ((), ("age is far",)), {"far": 1})


def test_answers_that_no_case_rules_out_are_named() -> None:
    assert never_left_out(BINARY, None) is None
    few = Decisions("classification", TWO, DecideSection(), Rules((0.0,), (None,), (None, None)), {"north": OWN})
    assert never_left_out(few, None) == (
        "too few validation cases have benign, malignant: they are in every set of answers"
    )
    assert never_left_out(few, "north") is None
    rules = Rules((0.0, None), (None, None), (0.5, None, 0.5, 0.5))
    both = Decisions("multilabel", ("edema", "effusion"), DecideSection(), rules)
    assert never_left_out(both, None) == "too few validation cases have edema=yes: it is in every set of answers"

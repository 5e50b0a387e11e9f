"""Scores are the log odds that evaluations count, and probabilities come back from them."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.intervals import wilson
from fedgraft.common.tasks.metrics import BINS, _bin, centre
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.tasks.survival import Survival

TWO, THREE, FINDINGS = Classification(("a", "b")), Classification(("a", "b", "c")), Multilabel(("x", "y"))


def softmax(outputs: np.ndarray) -> np.ndarray:
    whole = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))


def test_of_two_classes_the_score_is_the_difference_of_the_logits() -> None:
    outputs = np.array([[1.0, 3.0], [0.5, -0.5]], np.float32)
    assert TWO.scored == ("b",)
    assert TWO.scores(outputs) == pytest.approx(np.array([[2.0], [-1.0]]))


@pytest.mark.parametrize("task", [TWO, THREE], ids=["two", "three"])
def test_unmoved_scores_give_the_softmax_back(task: AnyTask) -> None:
    outputs = np.random.default_rng(0).normal(0, 4, (50, len(task.classes)))
    assert task.probabilities(task.scores(outputs)) == pytest.approx(softmax(outputs), abs=1e-12)


def test_moved_scores_of_three_classes_are_scaled_to_a_sum_of_1() -> None:
    scores = np.log(np.array([[1.0, 1.0, 0.25]]))  # 1/2, 1/2 and 1/5 against the rest
    assert THREE.probabilities(scores) == pytest.approx(np.array([[0.5, 0.5, 0.2]]) / 1.2)


def test_scores_far_out_give_finite_probabilities() -> None:
    far = np.array([[-5000.0, -5000.0, -5001.0]])
    assert THREE.probabilities(far).sum() == pytest.approx(1)
    assert TWO.probabilities(np.array([[5000.0]])) == pytest.approx(np.array([[0.0, 1.0]]))


def test_findings_do_not_compete() -> None:
    outputs = np.array([[0.0, np.log(3.0)]])
    assert FINDINGS.probabilities(FINDINGS.scores(outputs)) == pytest.approx(np.array([[0.5, 0.75]]))


def test_survival_has_none() -> None:
    task = Survival()
    assert (task.has_probabilities, task.scored, task.scores(np.zeros((3, 1))).shape) == (False, (), (3, 0))
    assert task.empty().score_counts() == ()
    with pytest.raises(PlanError, match=r"data\.task=survival has no probabilities: its outputs are log hazards"):
        task.probabilities(np.zeros((3, 0)))


def test_the_centre_of_a_bin_lies_in_it() -> None:
    bins = np.arange(BINS)
    assert (_bin(centre(bins)) == bins).all()


def test_a_score_is_near_the_centre_of_its_bin() -> None:
    scores = np.array([-7.0, -0.3, 0.0001, 1.0, 30.0])
    assert centre(_bin(scores)) == pytest.approx(scores, rel=0.0012, abs=1e-5)


def test_an_evaluation_tells_its_cases_by_score() -> None:
    outputs = np.array([[0.0, 2.0], [0.0, 2.0], [0.0, -1.0]])
    (counts,) = TWO.evaluate_parts(outputs, np.array([1, 0, 0]), [3])[0].score_counts()
    assert counts.scores == pytest.approx([-1.0, 2.0], rel=0.002)
    assert (counts.negatives.tolist(), counts.positives.tolist(), counts.cases) == ([1, 1], [0, 1], 3)


def test_unknown_findings_are_not_counted() -> None:
    first, second = FINDINGS.evaluate_parts(np.ones((2, 2)), np.array([[1.0, np.nan], [0.0, 1.0]]), [2])[
        0
    ].score_counts()
    assert (first.cases, second.cases, first.one_sided, second.one_sided) == (2, 1, False, True)


def test_wilson_s_interval_is_the_textbook_s() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe, Stat. Med. 1998, table I, method 3
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(29, 29)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)

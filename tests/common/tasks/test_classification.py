"""Classification: five numbers by hand, scikit-learn within the width of a bin, and merging equals pooling."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    log_loss,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from fedgraft.common.tasks.classification import ClassEvaluation, Classification
from fedgraft.common.tasks.metrics import BINS, auprc, auroc

TOLERANCE = 0.005
FINE = 0.01  # around zero a bin is 0.00002 wide: a thirtieth of the spread of the smallest scores drawn here


def task(classes: int) -> Classification:
    return Classification(tuple("abcdefgh"[:classes]))


def evaluate(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> ClassEvaluation:
    (found,) = task(logits.shape[1]).evaluate_parts(logits, labels, [len(labels)])
    return found


def two_class(scores: list[float]) -> NDArray[np.float64]:
    """Logits whose log odds for class 1 are ``scores``."""
    return np.array([[0.0, score] for score in scores])


def draw(cases: int, classes: int, seed: int, size: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=cases)
    logits = rng.normal(size=(cases, classes)) * size
    logits[np.arange(cases), labels] += size
    return logits, labels


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def equal(first: ClassEvaluation, second: ClassEvaluation) -> bool:
    same = np.array_equal(first.confusion, second.confusion) and np.array_equal(
        first.histograms.dense, second.histograms.dense
    )
    return same and math.isclose(first.loss_sum, second.loss_sum, rel_tol=1e-12)


def test_five_cases_by_hand() -> None:
    # labels 0 0 1 1 1 at log odds -2 1 -1 2 3
    found = evaluate(two_class([-2, 1, -1, 2, 3]), np.array([0, 0, 1, 1, 1]))
    assert found.confusion.tolist() == [[1, 1], [1, 2]]
    figures = found.figures()
    # six pairs; -1 beats -2 only, 2 and 3 beat both
    assert figures["auroc"] == pytest.approx(5 / 6)
    # ranking 3+ 2+ 1- -1+ -2-: precision 1, 1, 3/4 at the positives
    assert figures["auprc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert figures["sensitivity"] == pytest.approx(2 / 3)
    assert figures["specificity"] == pytest.approx(1 / 2)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert figures["accuracy"] == pytest.approx(3 / 5)
    # log(1 + exp(-m)) of the margins 2, -1, -1, 2, 3
    assert figures["loss"] == pytest.approx(sum(math.log1p(math.exp(-m)) for m in (2, -1, -1, 2, 3)) / 5)
    assert found.cases == 5
    assert found.prevalence == pytest.approx(3 / 5)


def test_equal_scores_count_half() -> None:
    figures = evaluate(two_class([0, 0, 0, 0]), np.array([0, 0, 1, 1])).figures()
    assert figures["auroc"] == 0.5
    assert figures["auprc"] == 0.5
    assert figures["loss"] == pytest.approx(math.log(2))


def test_three_classes_by_hand() -> None:
    logits = np.array([[3.0, 0, 0], [0, 3, 0], [0, 3, 0], [0, 0, 3], [3, 0, 0]])
    figures = evaluate(logits, np.array([0, 1, 1, 2, 2])).figures()
    # recalls 1, 1, 1/2; specificities 3/4 (one of four others taken for 0), 1, 1
    assert figures["balanced_accuracy"] == pytest.approx(5 / 6)
    assert figures["sensitivity"] == pytest.approx(5 / 6)
    assert figures["specificity"] == pytest.approx((3 / 4 + 1 + 1) / 3)
    # class 0: beats 3 of 4, ties with 1; class 1: all; class 2: one of two positives beats 3, the other ties with 3
    assert figures["auroc"] == pytest.approx((3.5 / 4 + 1 + (3 + 1.5) / 6) / 3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [0.001, 0.1, 1.0, 5.0])
def test_two_classes_against_scikit_learn(seed: int, size: float) -> None:
    logits, labels = draw(300, 2, seed, size)
    figures = evaluate(logits, labels).figures()
    score = logits[:, 1] - logits[:, 0]
    near = FINE if size == 0.001 else TOLERANCE
    assert figures["auroc"] == pytest.approx(roc_auc_score(labels, score), abs=near)
    assert figures["auprc"] == pytest.approx(average_precision_score(labels, score), abs=near)
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))
    assert figures["sensitivity"] == pytest.approx(recall_score(labels, logits.argmax(1)))
    assert figures["specificity"] == pytest.approx(recall_score(labels, logits.argmax(1), pos_label=0))
    assert figures["loss"] == pytest.approx(log_loss(labels, softmax(logits)))


@pytest.mark.parametrize("size", [0.001, 1.0])
def test_the_areas_are_exactly_those_of_the_binned_scores(size: float) -> None:
    found = evaluate(*draw(300, 2, 0, size))
    negatives, positives = found.histograms.dense[0]
    bins = np.concatenate([np.repeat(np.arange(BINS), side) for side in (negatives, positives)])
    labels = np.repeat([0, 1], [negatives.sum(), positives.sum()])
    assert auroc(found.histograms.curve(0)) == pytest.approx(roc_auc_score(labels, bins), abs=1e-12)
    assert auprc(found.histograms.curve(0)) == pytest.approx(average_precision_score(labels, bins), abs=1e-12)


@pytest.mark.parametrize("classes", [3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_many_classes_against_scikit_learn(classes: int, seed: int) -> None:
    logits, labels = draw(400, classes, seed)
    figures = evaluate(logits, labels).figures()
    p = softmax(logits)
    one_hot = np.eye(classes)[labels]
    assert figures["auroc"] == pytest.approx(roc_auc_score(labels, p, multi_class="ovr"), abs=TOLERANCE)
    assert figures["auprc"] == pytest.approx(average_precision_score(one_hot, p, average="macro"), abs=TOLERANCE)
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, p.argmax(1)))
    assert figures["loss"] == pytest.approx(log_loss(labels, p))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("cut", [0, 1, 40, 100])
def test_merging_equals_pooling(classes: int, cut: int) -> None:
    logits, labels = draw(100, classes, 7)
    merged = task(classes).merge([evaluate(logits[:cut], labels[:cut]), evaluate(logits[cut:], labels[cut:])])
    assert equal(merged, evaluate(logits, labels))
    assert merged.figures()["auroc"] == evaluate(logits, labels).figures()["auroc"]


def test_merging_many_equals_pooling() -> None:
    logits, labels = draw(90, 3, 5)
    assert equal(task(3).merge([evaluate(logits[i::9], labels[i::9]) for i in range(9)]), evaluate(logits, labels))


def test_only_filled_bins_are_held_in_ascending_order() -> None:
    found = evaluate(*draw(40, 3, 2))
    (filled,) = np.nonzero(found.histograms.dense.reshape(-1))
    assert found.histograms.bins.tolist() == filled.tolist()
    assert found.histograms.counts.tolist() == found.histograms.dense.reshape(-1)[filled].tolist()


def test_the_order_of_cases_does_not_matter() -> None:
    logits, labels = draw(50, 3, 1)
    assert equal(evaluate(logits[::-1], labels[::-1]), evaluate(logits, labels))


def test_adding_nothing_changes_nothing() -> None:
    found = evaluate(*draw(50, 3, 1))
    assert equal(task(3).merge([found, task(3).empty()]), found)


@pytest.mark.parametrize("classes", [2, 4])
def test_every_case_is_counted_once_in_each_histogram(classes: int) -> None:
    logits, labels = draw(200, classes, 3, 100.0)
    found = evaluate(logits, labels)
    assert found.cases == 200
    assert (found.histograms.dense.sum(axis=(1, 2)) == 200).all()
    scored = [1] if classes == 2 else range(classes)
    assert found.histograms.dense[:, 1].sum(axis=1).tolist() == [int((labels == c).sum()) for c in scored]


def test_figures_have_the_documented_names() -> None:
    assert tuple(evaluate(*draw(50, 2, 1)).figures()) == task(2).figures


@pytest.mark.parametrize("label", [0, 1])
def test_a_site_with_one_class_is_undefined(label: int) -> None:
    figures = evaluate(two_class([-1, 0.5, 2]), np.full(3, label)).figures()
    assert figures["auroc"] is None
    assert figures["auprc"] is None
    assert figures["balanced_accuracy"] is None
    assert (figures["sensitivity"] is None) == (label == 0)
    assert (figures["specificity"] is None) == (label == 1)
    assert figures["loss"] is not None


def test_one_of_three_classes_missing_is_undefined() -> None:
    figures = evaluate(np.eye(3)[[0, 1, 1]] * 2, np.array([0, 1, 0])).figures()
    assert figures["auroc"] is None
    assert figures["balanced_accuracy"] is None


def test_no_case_is_undefined() -> None:
    nothing = evaluate(np.zeros((0, 2)), np.zeros(0, np.int64))
    assert equal(nothing, task(2).empty())
    assert set(nothing.figures().values()) == {None}
    assert nothing.prevalence is None


def test_prevalence_of_many_classes_is_that_of_the_rarest() -> None:
    assert evaluate(np.zeros((5, 3)), np.array([0, 0, 1, 1, 2])).prevalence == pytest.approx(1 / 5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_extreme_logits_are_finite(dtype: type[np.floating]) -> None:
    logits = np.array([[0, 60000], [60000, 0], [-60000, 0], [0, 0]], dtype)
    figures = evaluate(logits, np.array([1, 0, 1, 0])).figures()
    assert figures["auroc"] == 1.0
    assert figures["loss"] is not None
    assert math.isfinite(figures["loss"])


def test_better_scores_never_lower_the_area() -> None:
    labels = np.array([0, 1, 0, 1])
    areas = [evaluate(two_class([0, d, 0, d]), labels).figures()["auroc"] for d in (-1.0, -0.1, 0.0, 0.1, 1.0)]
    assert areas == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_class_counts_by_hand() -> None:
    assert task(4).counts == ("a", "b", "c", "d")
    assert task(4).count(torch.tensor([0, 2, 2, 0, 2])) == (2, 0, 3, 0)
    assert task(4).fits((2, 0, 3, 0), 5)
    assert not task(4).fits((2, 0, 3, 0), 6)


def test_an_evaluation_of_parts_is_that_of_each_part() -> None:
    logits, labels = draw(60, 3, 4)
    first, second = task(3).evaluate_parts(logits, labels, [25, 35])
    assert equal(first, evaluate(logits[:25], labels[:25]))
    assert equal(second, evaluate(logits[25:], labels[25:]))


def test_made_up_labels_are_of_every_class() -> None:
    assert task(3).some_labels(4).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_sensitivity_at_90_specificity_against_scikit_learn(seed: int) -> None:
    logits, labels = draw(300, 2, seed)
    false, true, _ = roc_curve(labels, logits[:, 1] - logits[:, 0], drop_intermediate=False)
    found = evaluate(logits, labels).figures()["sensitivity_at_90_specificity"]
    assert found == pytest.approx(np.interp(0.1, false, true), abs=0.02)  # cases of one bin are tied


def test_learnable_is_a_class_that_has_a_case() -> None:
    assert task(3).learnable((2, 0, 1)) == (True, False, True)

"""Multi-label: unknown labels count nowhere, merging equals pooling, and what can't be is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from fedgraft.common.errors import WireError
from fedgraft.common.tasks.multilabel import FIGURES, FindingEvaluation, Multilabel

NAN = math.nan
TASK = Multilabel(("mass", "nodule"))
OUTPUTS = np.array([[-2.0, 1.0], [1.0, -1.0], [-1.0, 5.0], [2.0, -3.0]])
LABELS = np.array([[0, 1], [0, NAN], [1, 1], [1, NAN]], np.float32)
"""mass: 0 0 1 1 at log odds -2 1 -1 2; nodule: present in two, unknown in the others."""


def evaluate(outputs: NDArray[np.floating], labels: NDArray[np.floating], task: Multilabel = TASK) -> FindingEvaluation:
    (found,) = task.evaluate_parts(outputs, labels, [len(labels)])
    return found


def draw(cases: int, findings: int, seed: int) -> tuple[Multilabel, NDArray[np.float64], NDArray[np.float32]]:
    """Every third label is unknown."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=(cases, findings)).astype(np.float32)
    outputs = rng.normal(size=(cases, findings)) + labels
    labels[rng.random(labels.shape) < 1 / 3] = NAN
    return Multilabel(tuple(f"finding {n}" for n in range(findings))), outputs, labels


def equal(first: FindingEvaluation, second: FindingEvaluation) -> bool:
    same = np.array_equal(first.confusion, second.confusion) and first.cases == second.cases
    dense = np.array_equal(first.histograms.dense, second.histograms.dense)
    return same and dense and np.allclose(first.loss_sums, second.loss_sums, rtol=1e-12)


def test_four_cases_by_hand() -> None:
    found = evaluate(OUTPUTS, LABELS)
    assert found.cases == 4
    assert found.known.tolist() == [4, 2]
    assert found.confusion.tolist() == [[[1, 1], [1, 1]], [[0, 0], [0, 2]]]
    mass, nodule = (found.details()["findings"][name] for name in ("mass", "nodule"))
    # -1 beats -2 only, 2 beats both
    assert mass["auroc"] == pytest.approx(3 / 4)
    assert (mass["sensitivity"], mass["specificity"], mass["balanced_accuracy"]) == (0.5, 0.5, 0.5)
    assert (mass["cases"], mass["prevalence"]) == (4, 0.5)
    assert (nodule["auroc"], nodule["specificity"], nodule["balanced_accuracy"]) == (None, None, None)
    assert (nodule["sensitivity"], nodule["cases"], nodule["prevalence"]) == (1.0, 2, 1.0)
    losses = [math.log1p(math.exp(m)) for m in (-2, 1, 1, -2)], [math.log1p(math.exp(m)) for m in (-1, -5)]
    assert mass["loss"] == pytest.approx(sum(losses[0]) / 4)
    assert found.figures()["loss"] == pytest.approx((sum(losses[0]) + sum(losses[1])) / 6)
    assert found.prevalence == pytest.approx((0.5 + 1.0) / 2)


def test_a_finding_of_one_side_is_named_and_not_in_the_means() -> None:
    found = evaluate(OUTPUTS, LABELS)
    assert found.details()["undefined"] == ["nodule"]
    assert found.figures()["auroc"] == pytest.approx(3 / 4)
    assert found.figures()["sensitivity"] == 0.5


def test_a_score_of_0_is_taken_for_absent_as_in_classification() -> None:
    assert evaluate(np.zeros((1, 2)), np.array([[1, 0]])).confusion.tolist() == [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]


@pytest.mark.parametrize("seed", range(3))
def test_the_means_are_those_of_scikit_learn(seed: int) -> None:
    task, outputs, labels = draw(300, 4, seed)
    figures = evaluate(outputs, labels, task).figures()
    columns = [(outputs[~np.isnan(y), f], y[~np.isnan(y)]) for f, y in enumerate(labels.T)]
    assert figures["auroc"] == pytest.approx(np.mean([roc_auc_score(y, x) for x, y in columns]), abs=0.005)
    assert figures["auprc"] == pytest.approx(np.mean([average_precision_score(y, x) for x, y in columns]), abs=0.005)
    x, y = (np.concatenate(side) for side in zip(*columns, strict=True))
    assert figures["loss"] == pytest.approx(log_loss(y, 1 / (1 + np.exp(-x))))


@pytest.mark.parametrize("cut", [0, 1, 40, 100])
def test_merging_equals_pooling(cut: int) -> None:
    task, outputs, labels = draw(100, 3, 7)
    parts = task.evaluate_parts(outputs, labels, [cut, 100 - cut])
    assert equal(task.merge(parts), evaluate(outputs, labels, task))
    assert equal(task.merge([parts[0], task.empty(), parts[1]]), evaluate(outputs, labels, task))


def test_what_an_unknown_label_s_output_is_does_not_matter() -> None:
    task, outputs, labels = draw(50, 3, 2)
    assert equal(evaluate(np.where(np.isnan(labels), 1e5, outputs), labels, task), evaluate(outputs, labels, task))


def test_nothing_known_is_undefined() -> None:
    found = evaluate(OUTPUTS, np.full((4, 2), NAN, np.float32))
    assert found.cases == 4
    assert set(found.figures().values()) == {None}
    assert found.prevalence is None
    assert found.details()["undefined"] == ["mass", "nodule"]
    assert tuple(found.figures()) == FIGURES == TASK.figures


def test_counts_of_both_sides_by_hand() -> None:
    assert TASK.counts == ("mass absent", "mass present", "nodule absent", "nodule present")
    assert TASK.count(torch.from_numpy(LABELS)) == (2, 2, 0, 2)
    assert TASK.fits((2, 2, 0, 2), 4)
    assert not TASK.fits((2, 2, 3, 2), 4)
    assert TASK.some_labels(3).tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((9, 5, 8, 0), (9, 5, 8, 0)),
        ((9, 4, 8, 6), (0, 0, 8, 6)),  # 4 lies between 0 and 5: with it goes the 9, from which it could follow
        ((9, 4, 1, 0), None),
    ],
)
def test_counts_of_a_rare_finding_stay_and_the_others_leave(
    counts: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    assert TASK.releasable(counts, 5) == expected


def test_a_finding_that_is_known_of_few_cases_stays() -> None:
    found = evaluate(OUTPUTS, LABELS)
    assert found.releasable(5) is None
    released = found.releasable(3)
    assert released is not None
    assert (released.cases, released.known.tolist()) == (4, [4, 0])
    assert released.histograms.sides.tolist() == [[2, 2], [0, 0]]
    assert released.loss_sums.tolist() == [found.loss_sums[0], 0]
    assert found.known.tolist() == [4, 2]
    assert equal(TASK.unpack(released.pack()), released)
    assert evaluate(OUTPUTS, np.full((4, 2), NAN)).releasable(1) is None


@pytest.mark.parametrize("findings", [1, 14])
def test_it_makes_a_round_trip(findings: int) -> None:
    task, outputs, labels = draw(200, findings, 1)
    found = evaluate(outputs, labels, task)
    back = task.unpack(found.pack())
    assert equal(back, found)
    assert back.loss_sums.tolist() == found.loss_sums.tolist()
    assert equal(task.unpack(task.empty().pack()), task.empty())


def packed_with(**changes: Any) -> ConfigRecord:
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    return ConfigRecord({**evaluate(OUTPUTS, LABELS).pack(), **named})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cases": -1}, "`cases` must be a whole number"),
        ({"cases": 3}, "known of more cases than were evaluated"),
        ({"confusion": [1, 1, 1, 1]}, "must be four whole numbers per finding"),
        ({"confusion": [1, 1, 1, 1, 0, 0, 0, -2]}, "must be four whole numbers per finding"),
        ({"confusion": [1.0] * 8}, "must be four whole numbers per finding"),
        ({"confusion": [1, 1, 1, 1, 0, 1, 0, 1]}, "disagree on the cases of a finding"),
        ({"confusion": [1, 1, 1, 1, 0, 0, 0, 1]}, "disagree on the cases of a finding"),
        ({"confusion": [1, 1, 1, 1, 0, 0, 0, 0]}, "disagree on the cases of a finding"),
        ({"bins": b"abc"}, "lacks `bins`"),
        ({"bins": b"\xff" * 4}, "score histogram does not fit the plan's classes"),
        ({"loss_sums": [0.5]}, "must be one number per finding"),
        ({"loss_sums": [1, 2]}, "must be one number per finding"),
        ({"loss_sums": [0.5, NAN]}, "not a finite number, 0 or more"),
        ({"loss_sums": [0.5, math.inf]}, "not a finite number, 0 or more"),
        ({"loss_sums": [0.5, -0.5]}, "not a finite number, 0 or more"),
    ],
)
def test_a_hostile_record_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(WireError, match=words):
        TASK.unpack(packed_with(**changes))


def test_a_loss_of_a_finding_of_which_nothing_is_known_is_refused() -> None:
    bare = evaluate(OUTPUTS, np.where([True, False], LABELS, NAN))
    with pytest.raises(WireError, match="has a loss, but is known of no case"):
        TASK.unpack(replace(bare, loss_sums=np.array([1.0, 1.0])).pack())


@pytest.mark.parametrize("key", ["cases", "confusion", "bins", "counts", "loss-sums"])
def test_a_record_that_lacks_a_value_is_refused(key: str) -> None:
    record = evaluate(OUTPUTS, LABELS).pack()
    with pytest.raises(WireError):
        TASK.unpack(ConfigRecord({name: value for name, value in record.items() if name != key}))


def test_a_finding_is_learnable_from_both_sides_only() -> None:
    assert Multilabel(("a", "b", "c")).learnable((3, 1, 4, 0, 0, 0)) == (True, False, False)


def test_sensitivity_at_a_specificity_of_a_finding() -> None:
    logits = np.linspace(-1, 1, 30)[:, None]
    labels = (np.arange(30) >= 20).astype(np.float64)[:, None]
    (found,) = Multilabel(("a",)).evaluate_parts(logits, labels, [30])
    assert found.figures()["sensitivity_at_90_specificity"] == 1.0
    assert found.details()["findings"]["a"]["sensitivity_at_90_specificity"] == 1.0

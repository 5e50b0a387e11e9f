"""Weights of classes and findings, by hand."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.tasks.weights import class_weights, finding_weights


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 5), [1.0, 1.0]),
        ((30, 10), [40 / 60, 40 / 20]),
        ((6, 3, 1), [10 / 18, 10 / 9, 10 / 3]),
        ((8, 0), [1.0, 0.0]),
        ((4, 0, 12), [16 / 8, 0.0, 16 / 24]),
    ],
)
def test_weights_by_hand(counts: tuple[int, ...], expected: list[float]) -> None:
    weights = class_weights(counts)
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(7, 13), (1, 999), (3, 0, 40, 2)])
def test_every_class_that_has_a_case_weighs_the_same(counts: tuple[int, ...]) -> None:
    totals = [float(w) * n for w, n in zip(class_weights(counts), counts, strict=True) if n]
    assert totals == pytest.approx([totals[0]] * len(totals))
    assert sum(totals) == pytest.approx(sum(counts))


@pytest.mark.parametrize("counts", [(), (0, 0), (0, 0, 0)])
def test_no_case_at_all_is_an_error(counts: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match=r"loss\.weights: no class has a training case"):
        class_weights(counts)


def test_weights_of_findings_by_hand() -> None:
    # 30 of 40 lack the first; nobody is known to have the second; nothing is known of the third
    weights = finding_weights((30, 10, 7, 0, 0, 0))
    assert weights.tolist() == pytest.approx([40 / 60, 40 / 20, 1 / 2, 0.0, 0.0, 0.0])
    assert weights.dtype == torch.float32


def test_no_known_label_at_all_is_an_error() -> None:
    with pytest.raises(PlanError, match=r"loss\.weights: no finding is known of any training case"):
        finding_weights((0, 0, 0, 0))

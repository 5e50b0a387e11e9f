"""Weights of classes and findings, by hand."""

from __future__ import annotations

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import Scheme
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


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # m = (3, 1): 10 * 3 / (9 * 4), 10 * 1 / (1 * 4)
        ((9, 1), [10 / 12, 10 / 4]),
        ((4, 0, 16), [20 * 2 / (4 * 6), 0.0, 20 * 4 / (16 * 6)]),
    ],
)
def test_square_root_weights_by_hand(counts: tuple[int, ...], expected: list[float]) -> None:
    assert class_weights(counts, "square_root").tolist() == pytest.approx(expected)


def test_effective_number_weights_by_hand() -> None:
    # beta 1/2: E(1) = 1, E(2) = 3/2; a case weighs 1 and 2/3, all three 1 + 2 * 2/3 = 7/3; scaled by 3 / (7/3) = 9/7
    assert class_weights((1, 2), "effective", 0.5).tolist() == pytest.approx([9 / 7, 6 / 7])


def test_effective_number_is_the_paper_s_formula() -> None:
    counts, beta = (5000, 40, 0, 3), 0.999
    raw = [(1 - beta) / (1 - beta**n) if n else 0.0 for n in counts]
    mean = sum(r * n for r, n in zip(raw, counts, strict=True)) / sum(counts)
    assert class_weights(counts, "effective", beta).tolist() == pytest.approx([r / mean for r in raw], rel=1e-6)


def test_effective_number_lies_between_no_weights_and_inverse() -> None:
    counts = (900, 100)
    assert class_weights(counts, "effective", 0.0).tolist() == [1.0, 1.0]
    assert class_weights(counts, "effective", 1 - 1e-9).tolist() == pytest.approx(
        class_weights(counts, "inverse").tolist(), rel=1e-4
    )


@pytest.mark.parametrize(("scheme", "beta"), [("inverse", None), ("square_root", None), ("effective", 0.99)])
@pytest.mark.parametrize("counts", [(7, 13), (1, 999), (3, 0, 40, 2), (100000, 1)])
def test_the_mean_weight_over_cases_is_one(counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> None:
    weights = class_weights(counts, scheme, beta).tolist()
    assert sum(w * n for w, n in zip(weights, counts, strict=True)) / sum(counts) == pytest.approx(1)


@pytest.mark.parametrize(("scheme", "beta"), [("inverse", None), ("square_root", None), ("effective", 0.99)])
def test_a_finding_s_sides_are_two_classes(scheme: Scheme, beta: float | None) -> None:
    weights = finding_weights((30, 10, 0, 0, 8, 5), scheme, beta).tolist()
    expected = [*class_weights((30, 10), scheme, beta).tolist(), 0, 0, *class_weights((8, 5), scheme, beta).tolist()]
    assert weights == pytest.approx(expected)

"""Geometric median and centered clipping, by hand and against scipy's minimum."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from fedgraft.common.robust.coefficients import centered_clipping, geometric_median
from fedgraft.common.robust.products import Rows, distances, inner_products, of_some, products_of_rows, written_out

Points = NDArray[np.float64]


def products(points: Points) -> Points:
    return np.asarray(points @ points.T)


def test_inner_products_are_those_of_what_moved() -> None:
    sent = [np.array([1.0, 2.0], np.float32), np.array([[3]], np.int64)]
    came = [[np.array([2.0, 2.0]), np.array([1.0, 0.0])], [np.array([[4]]), np.array([[3]])]]
    found = inner_products(zip(sent, came, strict=True), 2)  # (1, 0, 1) and (0, -2, 0)
    assert found.tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_distances_from_a_combination() -> None:
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    assert distances(products(points), np.array([0.5, 0.5, 0.0])).tolist() == pytest.approx([2, 2, np.sqrt(13)])


def test_the_geometric_median_is_where_scipy_finds_it() -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.normal(size=(7, 3)), np.arange(1.0, 8.0)
    found = geometric_median(products(points), weights, 500, 1e-9)
    best = minimize(lambda z: (weights * np.linalg.norm(points - z, axis=1)).sum(), points.mean(axis=0), tol=1e-12)
    assert found.sum() == pytest.approx(1)
    assert (found @ points).tolist() == pytest.approx(best.x.tolist(), abs=1e-4)


def test_of_points_on_a_line_it_is_the_middle_one() -> None:
    points = np.array([[0.0], [1.0], [100.0]])
    assert float((geometric_median(products(points), np.ones(3), 200, 1e-9) @ points)[0]) == pytest.approx(1, abs=1e-3)


def test_one_far_point_moves_the_median_but_little() -> None:
    rng = np.random.default_rng(3)
    points = rng.normal(size=(5, 4))
    before = geometric_median(products(points), np.ones(5), 100, 1e-6) @ points
    points[0] *= 1e6
    after = geometric_median(products(points), np.ones(5), 100, 1e-6) @ points
    assert np.linalg.norm(after - before) < 2


def test_clipping_once_by_hand() -> None:
    """Norms 1, 2 and 4 around what was sent; the radius is half of the median: each moves it by a third of 1."""
    points = np.array([[1.0, 0.0], [0.0, 2.0], [-4.0, 0.0]])
    found = centered_clipping(products(points), np.ones(3), 1, 0.5)
    assert found.tolist() == pytest.approx([1 / 3, 1 / 6, 1 / 12])


def test_with_a_wide_radius_it_is_the_weighted_mean() -> None:
    points = np.random.default_rng(4).normal(size=(4, 6))
    found = centered_clipping(products(points), np.array([1.0, 2.0, 3.0, 4.0]), 3, 1e9)
    assert found.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_updates_that_did_not_move() -> None:
    nothing = np.zeros((3, 3))
    assert geometric_median(nothing, np.ones(3), 5, 0.1).tolist() == pytest.approx([1 / 3] * 3)
    assert centered_clipping(nothing, np.ones(3), 2, 1.0).sum() <= 1


def test_the_products_of_more_updates_than_numbers_are_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedgraft.common.robust.products.MANY", 3)
    rng = np.random.default_rng(5)
    sent, came = [np.ones((1, 2)), np.zeros(2)], rng.normal(size=(6, 4))
    tensors = [(sent[0], [one[:2].reshape(1, 2) for one in came]), (sent[1], [one[2:] for one in came])]
    found, whole = products_of_rows(tensors, 6), inner_products(tensors, 6)
    assert isinstance(found, Rows)
    assert isinstance(products_of_rows([(s, c[:4]) for s, c in tensors], 4), np.ndarray)
    places, factors = [0, 2, 3, 5], np.array([1.0, 0.5, 2.0, 1.0])
    for one, other in ((found, whole), (of_some(found, places, factors), of_some(whole, places, factors))):
        assert one.diagonal() == pytest.approx(other.diagonal())
        assert one @ np.arange(1.0, len(one) + 1) == pytest.approx(other @ np.arange(1.0, len(other) + 1))
        assert written_out(one, [0, 3]) == pytest.approx(written_out(other, [0, 3]))
        assert geometric_median(one, np.ones(len(one)), 9, 0.01) == pytest.approx(
            geometric_median(other, np.ones(len(other)), 9, 0.01)
        )
    assert of_some(found, range(6), np.ones(6)) is found

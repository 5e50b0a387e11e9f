"""How far an update may be from the others'."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.robust.products import Rows
from fedgraft.common.wire.messages import Update
from fedgraft.server.bounds.apart import Apart, apart
from fedgraft.server.bounds.judgement import judged

BOUNDS = BoundsSection(clip=None, refuse=None, far=2.0, far_deviations=0.0)
SENT = {"head.weight": torch.zeros(1, 6)}
UP = np.eye(6)[5]
EVEN = [10] * 5


def around(*more: np.ndarray) -> np.ndarray:
    """Four updates of length about 10 that share a direction, each with a part of length 1 of its own."""
    return np.stack([10 * UP + np.eye(6)[k] for k in range(4)] + list(more))


def mix(found: Apart) -> np.ndarray:
    """Row k: of which updates, times what, the one consists that is used in the k-th's place."""
    rows = np.zeros((len(found.left), len(found.left)))
    for place, row in enumerate(rows):
        for other, part in found.parts(place).items():
            row[other] = part
    return rows


def used(moved: np.ndarray, bounds: BoundsSection = BOUNDS) -> np.ndarray:
    found: np.ndarray = mix(apart(moved @ moved.T, EVEN, [0.0] * len(moved), (), bounds)) @ moved
    return found


def test_those_that_are_near_one_another_are_the_very_same() -> None:
    moved = around(10 * UP + np.eye(6)[4])
    found = apart(moved @ moved.T, EVEN, [0.0] * len(moved), (), BOUNDS)
    assert np.array_equal(mix(found), np.eye(5))
    assert found.ratios == pytest.approx([1.0] * 5)
    assert found.left == (1.0,) * 5


@pytest.mark.parametrize("odd", [-10 * UP, 10 * UP + 8 * np.eye(6)[4]], ids=["turned round", "a direction of its own"])
def test_one_that_is_far_off_is_moved_towards_the_others_to_a_multiple_of_the_median(odd: np.ndarray) -> None:
    moved = around(odd)
    found = used(moved)
    assert np.array_equal(found[:4], moved[:4])
    centre = moved[:4].mean(axis=0)  # all four are as far from one another
    middle = np.median([np.linalg.norm(one - centre) for one in moved[:4]])
    assert np.linalg.norm(found[4] - centre) < 3 * middle < 0.5 * np.linalg.norm(odd - centre)
    along = (found[4] - centre) @ (odd - centre) / np.linalg.norm(found[4] - centre) / np.linalg.norm(odd - centre)
    assert along == pytest.approx(1)


def test_where_distances_differ_much_nobody_is_moved() -> None:
    moved = np.stack([size * np.eye(6)[k] for k, size in enumerate((1.0, 2.0, 4.0, 8.0, 16.0))])
    far = apart(moved @ moved.T, EVEN, [0.0] * len(moved), (), BoundsSection())
    assert max(far.ratios) > 1.5
    assert far.left == (1.0,) * 5


def test_earlier_rounds_say_how_much_distances_differ() -> None:
    moved = around(10 * UP + 4 * np.eye(6)[4])
    bounds = BoundsSection(far=1.5, far_deviations=2.0)
    assert apart(moved @ moved.T, EVEN, [0.0] * len(moved), (), bounds).left[4] < 1
    assert apart(moved @ moved.T, EVEN, [0.0] * len(moved), ((1.0, 8.0, 64.0),) * 3, bounds).left[4] == 1


def test_what_a_site_left_unused_it_may_use_later() -> None:
    moved = around(-10 * UP)
    products = moved @ moved.T
    found = apart(products, EVEN, [0.0] * 5, (), BOUNDS)
    centre = moved[:4].mean(axis=0)
    own = float(np.linalg.norm(moved[4] - centre))
    assert found.multiple == 2.0
    missing = own**2 - (2 * found.middle) ** 2
    assert apart(products, EVEN, [*[0.0] * 4, 1.01 * missing], (), BOUNDS).left[4] == 1
    assert apart(products, EVEN, [*[0.0] * 4, 0.99 * missing], (), BOUNDS).left[4] == pytest.approx(0.99, abs=0.02)


@pytest.mark.parametrize("bounds", [BOUNDS, BoundsSection(far=None)])
def test_of_fewer_than_five_and_without_the_bound_nothing_is_said(bounds: BoundsSection) -> None:
    moved = around(*([] if bounds.far else [-10 * UP]))
    found = apart(moved @ moved.T, EVEN, [0.0] * len(moved), (), bounds)
    assert (found.ratios, found.distances) == ((), ())
    assert np.array_equal(mix(found), np.eye(len(moved)))


def test_a_hospital_that_holds_most_of_the_cases_is_no_odd_one() -> None:
    moved = around(-10 * UP)
    assert apart(moved @ moved.T, [10, 10, 10, 10, 39], [0.0] * len(moved), (), BOUNDS).left[4] < 1
    assert apart(moved @ moved.T, [10, 10, 10, 10, 41], [0.0] * len(moved), (), BOUNDS).left[4] == 1


def test_who_can_do_little_is_left_alone() -> None:
    moved = around(-10 * UP)
    assert apart(moved @ moved.T, [1000] * 4 + [10], [0.0] * len(moved), (), BOUNDS).left == (1.0,) * 5


def test_updates_that_did_not_move_are_no_centre() -> None:
    """Hospitals without an event have no gradient; they would be the majority."""
    moved = np.concatenate([np.zeros((6, 6)), around(-10 * UP)])
    found = apart(moved @ moved.T, [10] * 11, [0.0] * len(moved), (), BOUNDS)
    assert found.left[:10] == (1.0,) * 10
    assert found.left[10] < 1
    assert not mix(found)[10, :6].any()


def test_all_alike_have_no_distance() -> None:
    assert apart(np.ones((5, 5)), EVEN, [0.0] * 5, (), BOUNDS).left == (1.0,) * 5


def test_the_tensors_are_those_of_the_mix_and_the_ledger_says_so() -> None:
    moved = around(-10 * UP)
    updates = [
        Update(f"s{k}", "digest", 1, {"head.weight": torch.tensor(one[None], dtype=torch.float32)}, 10, 0.5, {})
        for k, one in enumerate(moved)
    ]
    found = judged(updates, SENT, BOUNDS)
    assert [found.used[one.site] is one for one in updates] == [True] * 4 + [False]
    assert found.used["s4"].tensors["head.weight"].numpy() == pytest.approx(used(moved)[4:], abs=1e-5)
    figures = found.figures["s4"]
    assert figures.apart is not None and figures.apart > 10
    assert figures.words().startswith("moved: its update was ")
    assert "times as far from the others' as the sites' median, and was moved towards them to 0." in figures.words()
    assert figures.likeness.cosine == pytest.approx(-1, abs=0.1)  # as it came
    distances = found.memory.distances
    assert len(distances[-1]) == 5
    assert judged(updates, SENT, BOUNDS, found.memory).memory.distances == (*distances, distances[0])
    assert found.memory.apart.unused("s4") == pytest.approx(0, abs=1e-6)
    assert found.memory.apart.unused("s0") == pytest.approx(3 * distances[-1][0] ** 2)


def test_what_is_not_written_out_is_judged_alike() -> None:
    moved = around(-10 * UP, 9 * UP + np.eye(6)[4])
    whole, rows = (apart(one, [10] * 6, [0.0] * 6, (), BOUNDS) for one in (moved @ moved.T, Rows(moved)))
    assert rows.left == pytest.approx(whole.left) and min(whole.left) < 1
    assert mix(rows) == pytest.approx(mix(whole))
    assert rows.distances == pytest.approx(whole.distances)

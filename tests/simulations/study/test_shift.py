"""The benchmark of parts against shift: its head is scikit-learn's, a run that was cut off goes on, and its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from shift_fitted import RIDGES, path
from shift_found import AtSite, Cell, column_of, keep, kept
from shift_rows import FITTED, RUNS, SETS, Row
from shift_table import compared, table
from sklearn.linear_model import LogisticRegression

from fedgraft.simulations.api import plan

LABELS = np.array([0] * 20 + [1] * 10)
ROWS = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 40)) + LABELS[:, None]).float()


def test_the_head_is_scikit_learns_class_weighted_regression() -> None:
    """Of softmax weights W, |W|^2 is half of |w|^2 of the difference: ridge r here is r / 2 of one row of weights."""
    for ridge, head in path(ROWS, LABELS, None, ["a"]):
        model = LogisticRegression(C=2 / (ridge * 30), class_weight="balanced", max_iter=5000, tol=1e-8)
        model.fit(ROWS.numpy(), LABELS)
        np.testing.assert_allclose(head.scores(ROWS, "a"), model.decision_function(ROWS.numpy()), atol=0.02)


def test_sites_have_intercepts_of_their_own() -> None:
    place = np.repeat([0, 1], 15)
    *_, (ridge, head) = path(ROWS, LABELS, place, ["a", "b"])
    assert ridge == RIDGES[-1]
    assert set(head.biases) == {"a", "b"} and head.biases["a"] < head.biases["b"]  # all of the second class is at b


def test_a_cell_is_read_as_it_was_written_and_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    site = AtSite(0.75, 0.5, [1000, -2000])
    cell = Cell("phantom-2", "last layer", "part", 1, 0, 0.1, 0.9, {"own": {"alder": site}})
    keep(tmp_path / "cells.jsonl", cell)
    with (tmp_path / "cells.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"data": "phan')
    assert list(kept(tmp_path / "cells.jsonl")) == [cell]


def test_a_site_with_four_cases_of_a_class_says_nothing() -> None:
    few, enough = (np.array([0] * 6 + [1] * count) for count in (4, 5))
    scores = np.arange(11.0)
    found = column_of({"few": [(scores[:10], few)], "enough": [(scores, enough)]})
    assert set(found) == {"enough"} and found["enough"].auroc == 1.0


def test_with_one_seed_the_interval_is_that_of_the_cases() -> None:
    one, other = {"a": AtSite(0.8, 0.0, [3000, -4000])}, {"a": AtSite(0.7, 0.0, [0, 0])}
    found = compared([(one, other)], 0.0)  # deviation 0.005
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1 - 1.96 * 0.005, 0.1 + 1.96 * 0.005))


def test_what_is_beyond_its_interval_is_bold() -> None:
    rows = [Row("alone", None), Row("part", "alone")]
    cells = [
        Cell("phantom-2", "last layer", name, 0, columns={"own": {"a": AtSite(auroc, 0.0, [moved, -moved])}})
        for name, auroc, moved in (("alone", 0.7, 0), ("part", 0.8, 1000))
    ]
    lines = table("phantom-2", ["last layer"], cells, rows).splitlines()
    assert lines[-2] == "| alone | 0.700 (0.700) |  |  | 1 |"
    assert lines[-1] == "| part | **+0.100** [+0.097, +0.103] |  |  | 1 |"


def test_every_part_has_a_recipe_without_it() -> None:
    rows = [*FITTED, *RUNS]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert {row.base for row in rows if row.base} <= set(names)
    assert {name for row in rows for name in row.only} <= set(SETS)


@pytest.mark.parametrize("name", [name for name, known in SETS.items() if known.by_steps])
def test_the_words_of_rows_trained_by_steps_are_a_plan(name: str) -> None:
    known = SETS[name]
    assert plan(*known.words, *known.by_steps).plan.strategy.target.endswith("FedAvg")

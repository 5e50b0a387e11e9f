"""``features.scale=auto``: own moments where scanners differ, common ones where only classes do; and it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.summary import summary

from .conftest import Hospitals, Rows, Run, same

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]
AUTO = ("features.scale=auto", "rounds=1")


def hospitals_with(shift: float, lesions: tuple[float, ...]) -> Hospitals:
    """Four hospitals of 100 cases; a scanner moves and stretches each number by its own amounts, as ``shift`` says."""
    rng, found = np.random.default_rng(0), {}
    for place, share in enumerate(lesions):
        labels = rng.permutation((np.arange(100) < 100 * share).astype(np.int64))
        signal = rng.normal(size=(100, 4)) + np.outer(labels, [1.0, 1.0, 0.0, 0.0])
        numbers = signal * np.exp(shift * rng.normal(size=4) / 2) + 4 * shift * rng.normal(size=4)
        found[f"site-{place}"] = Rows(
            numbers, labels, tuple(("train", "train", "val", "test")[k % 4] for k in range(100))
        )
    return found


SHIFTED = hospitals_with(1.5, (0.5, 0.5, 0.5, 0.5))
SKEWED = hospitals_with(0.0, (0.05, 0.95, 0.1, 0.9))


@pytest.mark.parametrize(("held", "chosen"), [(SHIFTED, "own"), (SKEWED, "common")], ids=["shift", "skew"])
def test_it_takes_the_better_one_and_says_so(
    numbers_plan: PlanOf, run_over: RunOver, held: Hospitals, chosen: str
) -> None:
    plan = numbers_plan(*AUTO)
    found = run_over(plan, held)
    figures = found.outcome.choices["features.scale"]
    other = {"own": "common", "common": "own"}[chosen]
    assert figures[chosen] > figures[other] + 0.02
    assert float(found.state()["scale.own"]) == (chosen == "own")
    expected = run_over(numbers_plan(f"features.scale={chosen}", "rounds=1"), held)
    assert same(found.state(), expected.state(), 1e-4)
    assert summary(plan, found.outcome, found.ledger, 1.0)["choices"]["features.scale"] == pytest.approx(
        figures, abs=1e-4
    )


def test_the_figures_are_those_of_the_ridge_heads_over_each_scale(numbers_plan: PlanOf, run_over: RunOver) -> None:
    """Of three penalties the best, as a run without rounds finds it."""
    found = run_over(numbers_plan(*AUTO), SHIFTED).outcome.choices["features.scale"]
    for scale in ("common", "own"):
        once = ("rounds=0", "initial=ridge", "initial.alpha=[3000, 300, 30]", "initial.scale=1")
        alone = run_over(numbers_plan(*once, f"features.scale={scale}"), SHIFTED).outcome.choices["initial"]
        assert found[scale] == pytest.approx(max(alone.values()), abs=1e-6)


def test_with_a_ridge_start_both_are_chosen(numbers_plan: PlanOf, run_over: RunOver) -> None:
    """First the scale, each by its own best penalty; then the penalty over it."""
    plan = numbers_plan("features.scale=auto", "rounds=0", "initial=ridge", "initial.alpha=[300, 1]")
    choices = run_over(plan, SHIFTED).outcome.choices
    assert list(choices) == ["features.scale", "initial"]
    assert max(choices["initial"].values()) == choices["features.scale"]["own"]


def test_own_moments_may_be_drawn_to_the_common_ones(numbers_plan: PlanOf, run_over: RunOver) -> None:
    plans = [numbers_plan(f"features.scale={scale}", "rounds=1", "features.shrink=5") for scale in ("auto", "own")]
    auto, own = (run_over(plan, SHIFTED) for plan in plans)
    assert float(auto.state()["scale.own"]) == 1.0
    assert same(auto.state(), own.state(), 1e-4)


def test_a_held_out_site_follows_the_choice(numbers_plan: PlanOf, run_over: RunOver) -> None:
    found = run_over(numbers_plan(*AUTO, "hold_out=[site-3]"), SHIFTED)
    assert float(found.state()["scale.own"]) == 1.0
    session = found.session("site-3")
    torch.testing.assert_close(session.cohort["train"].inputs.mean(0), torch.zeros(4), rtol=0.0, atol=1e-5)


def without_val(held: Hospitals) -> Hospitals:
    return {n: Rows(r.numbers, r.labels, tuple(s.replace("val", "test") for s in r.splits)) for n, r in held.items()}


def of_one_class(held: Hospitals) -> Hospitals:
    """Validation cases are all clear; training cases as they were."""
    found: dict[str, Any] = {}
    for name, rows in held.items():
        keep = [s != "val" or not label for s, label in zip(rows.splits, rows.labels, strict=True)]
        splits = tuple(s for s, kept in zip(rows.splits, keep, strict=True) if kept)
        found[name] = Rows(rows.numbers[keep], rows.labels[keep], splits)
    return found


@pytest.mark.parametrize("change", [without_val, of_one_class])
def test_without_a_figure_to_compare_by_it_says_what_to_do(
    numbers_plan: PlanOf, run_over: RunOver, change: Callable[[Hospitals], Hospitals]
) -> None:
    words = "features.scale=auto: the sites told no defined figure on validation cases by which to compare; give them"
    with pytest.raises(RoundError, match=words):
        run_over(numbers_plan(*AUTO), change(SHIFTED))

"""A federation with common or own moments equals one whose numbers scikit-learn standardised beforehand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.reports.summary import summary

from .conftest import Hospitals, Rows, Run, dealt, same

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]


def pooled(held: Hospitals) -> StandardScaler:
    return StandardScaler().fit(np.concatenate([rows.train for rows in held.values()]))


def beforehand(held: Hospitals, whose: str) -> Hospitals:
    """The hospitals with numbers that scikit-learn has standardised, by all training cases or each by its own."""
    scalers = {name: pooled(held) if whose == "all" else StandardScaler().fit(r.train) for name, r in held.items()}
    return {name: rows.holding(scalers[name].transform(rows.numbers)) for name, rows in held.items()}


@pytest.mark.parametrize(("scale", "whose"), [("common", "all"), ("own", "each")])
@pytest.mark.parametrize("more", [("strategy=fedavg",), ("train=adamw", "strategy=fedprox")], ids=lambda m: m[0])
def test_it_equals_standardising_beforehand(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, scale: str, whose: str, more: tuple[str, ...]
) -> None:
    found = run_over(numbers_plan(f"features.scale={scale}", *more), hospitals)
    expected = run_over(numbers_plan("features.scale=none", *more), beforehand(hospitals, whose))
    assert same(found.state(), expected.state(), 1e-4)
    for site in hospitals:
        assert found.figure(site) == pytest.approx(expected.figure(site), rel=1e-4)


def test_the_common_moments_are_those_of_all_training_cases(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    found, scaler = run_over(numbers_plan("features.scale=common"), hospitals), pooled(hospitals)
    np.testing.assert_allclose(found.state()["scale.mean"], scaler.mean_, rtol=1e-6)
    np.testing.assert_allclose(found.state()["scale.deviation"], scaler.scale_, rtol=1e-6)
    entries = [(e.round, e.site, e.outcome, e.reason) for e in found.ledger.entries if e.what == "moments"]
    assert entries == [(0, site, "ok", "") for site in hospitals]
    assert all(e.bytes_up > 4 * 2 * 8 and e.bytes_down > 0 for e in found.ledger.entries if e.what == "moments")


def test_a_held_out_site_has_no_part_in_the_common_moments(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    found = run_over(numbers_plan("features.scale=common", "hold_out=[site-2]"), hospitals)
    scaler = pooled({name: hospitals[name] for name in ("site-0", "site-1")})
    np.testing.assert_allclose(found.state()["scale.mean"], scaler.mean_, rtol=1e-6)
    assert {e.site for e in found.ledger.entries if e.what == "moments"} == {"site-0", "site-1"}


def test_centre_takes_each_ones_mean_and_the_deviation_around_it(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    found = run_over(numbers_plan("features.scale=centre"), hospitals)
    around = np.concatenate([rows.train - rows.train.mean(0) for rows in hospitals.values()]).std(0)
    by_hand = {name: r.holding((r.numbers - r.train.mean(0)) / around) for name, r in hospitals.items()}
    expected = run_over(numbers_plan("features.scale=none"), by_hand)
    assert same(found.state(), expected.state(), 1e-4)


def test_own_balanced_looks_at_the_classes_of_those_who_train(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    plan = numbers_plan("features.scale=own_balanced", "hold_out=[site-2]")
    found = run_over(plan, hospitals)
    by_hand = {}
    for name, rows in hospitals.items():
        weights = 1 / (2 * np.bincount(rows.train_labels))[rows.train_labels]
        weights = np.full(len(rows.train), 1 / len(rows.train)) if name == "site-2" else weights
        mean = weights @ rows.train
        deviation = np.sqrt(weights @ (rows.train - mean) ** 2)
        by_hand[name] = rows.holding((rows.numbers - mean) / deviation)
    expected = run_over(numbers_plan("features.scale=none", "hold_out=[site-2]"), by_hand)
    assert same(found.state(), expected.state(), 1e-4)
    assert found.figure("site-2") == pytest.approx(expected.figure("site-2"), rel=1e-4)


def test_own_moments_drawn_to_the_common_ones(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    """Ten cases' worth of the common mean and mean square beside a site's own."""
    found = run_over(numbers_plan("features.scale=own", "features.shrink=10"), hospitals)
    scaler, by_hand = pooled(hospitals), {}
    for name, rows in hospitals.items():
        share = len(rows.train) / (len(rows.train) + 10)
        mean = share * rows.train.mean(0) + (1 - share) * scaler.mean_
        second = share * (rows.train**2).mean(0) + (1 - share) * (scaler.var_ + scaler.mean_**2)
        by_hand[name] = rows.holding((rows.numbers - mean) / np.sqrt(second - mean**2))
    expected = run_over(numbers_plan("features.scale=none"), by_hand)
    assert same(found.state(), expected.state(), 1e-4)


@pytest.mark.parametrize("scale", ["own", "own_balanced", "centre"])
def test_a_held_out_site_scales_by_its_own_cases_and_never_by_their_labels(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, scale: str
) -> None:
    """Other labels of its training cases change nothing; other numbers of them do."""
    plan, rows = numbers_plan(f"features.scale={scale}", "hold_out=[site-2]"), hospitals["site-2"]
    training = np.array([split == "train" for split in rows.splits])
    labels = np.where(training, 1 - rows.labels, rows.labels)
    relabelled = Rows(rows.numbers, labels, rows.splits, rows.release)
    moved = rows.holding(rows.numbers + 100.0 * training[:, None])
    first, second, third = (run_over(plan, {**hospitals, "site-2": r}) for r in (rows, relabelled, moved))
    assert same(first.state(), second.state(), 0.0)
    assert same(first.state(), third.state(), 0.0)
    assert first.figure("site-2") == second.figure("site-2")
    assert first.figure("site-2") != third.figure("site-2")


def test_a_constant_number_does_no_harm(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    constant = {
        n: r.holding(np.column_stack([r.numbers[:, :3], np.full(len(r.labels), 7.0)])) for n, r in hospitals.items()
    }
    for scale in ("common", "own", "centre"):
        found = run_over(numbers_plan(f"features.scale={scale}"), constant)
        assert found.state()["head.weight"][:, 3].abs().max() < 1e-5, scale
        assert all(bool(torch.isfinite(t).all()) for t in found.state().values())


def test_a_site_of_one_training_case(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    rows = hospitals["site-1"]
    lone = Rows(rows.numbers[:3], np.array([0, 1, 0]), ("train", "test", "val"))
    for scale in ("own", "common", "own_balanced", "centre"):
        found = run_over(numbers_plan(f"features.scale={scale}"), {**hospitals, "site-1": lone})
        assert np.isfinite(found.figure("site-1")), scale
    own = run_over(numbers_plan("features.scale=own"), {**hospitals, "site-1": lone}).session("site-1")
    torch.testing.assert_close(own.cohort["train"].inputs, torch.zeros(1, 4))
    expected = torch.from_numpy(lone.numbers[1:2] - lone.numbers[:1]).float()
    torch.testing.assert_close(own.cohort["test"].inputs, expected)


WITHHOLDS = "{min_count: 1, statistics: false}"


def test_who_withholds_moments_is_named(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    quiet = Rows(**{**vars(hospitals["site-1"]), "release": WITHHOLDS})
    few = Rows(**{**vars(hospitals["site-0"]), "release": "{min_count: 1000, min_patients: 1}"})
    plan = numbers_plan("features.scale=common")
    found = run_over(plan, {**hospitals, "site-0": few, "site-1": quiet})
    scaler = pooled({"site-2": hospitals["site-2"]})
    np.testing.assert_allclose(found.state()["scale.mean"], scaler.mean_, rtol=1e-6)
    told = summary(plan, found.outcome, found.ledger, 1.0)
    assert told["moments_without"] == ["site-0", "site-1"]
    reasons = {e.site: e.reason for e in found.ledger.entries if e.what == "moments"}
    words = "it told no moments: release.statistics forbids it, or it has fewer patients than min_count"
    assert reasons == {"site-0": words, "site-1": words, "site-2": ""}


def test_if_nobody_tells_them_the_run_ends(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    quiet = {name: Rows(**{**vars(rows), "release": WITHHOLDS}) for name, rows in hospitals.items()}
    with pytest.raises(RoundError) as caught:
        run_over(numbers_plan("features.scale=common"), quiet)
    head, *lines = str(caught.value).splitlines()
    assert head == "features.scale=common: no site told moments of its features; use case or own"
    assert [line.partition(":")[0] for line in lines] == [f"  - {site}" for site in hospitals]
    own = run_over(numbers_plan("features.scale=own"), quiet)
    assert [e for e in own.ledger.entries if e.what == "moments"] == [], "own moments are not asked for"


def test_dealing_the_same_cases_otherwise_changes_no_common_moment(numbers_plan: PlanOf, run_over: RunOver) -> None:
    held = dealt(1, (50,), (0.5,))["site-0"]
    halves = {
        name: Rows(held.numbers[some], held.labels[some], held.splits[some])
        for name, some in (("site-0", slice(0, 20)), ("site-1", slice(20, 50)))
    }
    plan = numbers_plan("features.scale=common", "rounds=1")
    one, two = run_over(plan, {"site-0": held}), run_over(plan, halves)
    for name in ("scale.mean", "scale.deviation"):
        torch.testing.assert_close(one.state()[name], two.state()[name], rtol=1e-6, atol=1e-6)

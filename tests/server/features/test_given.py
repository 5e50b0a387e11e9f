"""The tensors that the coordinator gives: no site sends them, no codec rounds them, and no strategy changes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from flwr.app import ArrayRecord

from fedgraft.common.compression.changes import rounded
from fedgraft.common.plan.plan import Plan

from .conftest import Hospitals, Run, dealt, same

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]
GIVEN = ("scale.mean", "scale.deviation")
EIGHT = dealt(3, (20,) * 8, (0.5,) * 8)


@pytest.mark.parametrize("scale", ["common", "centre", "own", "auto"])
@pytest.mark.parametrize("held", [dealt(), EIGHT], ids=["alone", "together"])
def test_an_update_holds_the_shared_tensors_only(
    numbers_plan: PlanOf, run_over: RunOver, held: Hospitals, scale: str
) -> None:
    """Also of sites that are trained together in one batched computation."""
    found = run_over(numbers_plan(f"features.scale={scale}", "rounds=2"), held)
    updates = [reply.content for reply in found.messages if reply.metadata.message_type == "train"]
    assert len(updates) == 2 * len(held)
    for content in updates:
        arrays = [name for record in content.values() if isinstance(record, ArrayRecord) for name in record]
        assert sorted(arrays) == ["head.bias", "head.weight"]
    for site in held:
        log = (found.folder / site / "state" / "released.jsonl").read_text().splitlines()
        lines = [line for line in map(json.loads, log) if line["what"] == "update"]
        assert len(lines) == 2 and all("scale." not in json.dumps(line) for line in lines)


@pytest.mark.parametrize(
    "more",
    [
        ("strategy=fedavg",),
        ("strategy=fedadam", "strategy.eta=0.1"),
        ("strategy._target_=flwr.serverapp.strategy.FedAvgM", "+strategy.server_momentum=0.9"),
        ("strategy=fedprox",),
    ],
    ids=lambda more: more[0].rpartition(".")[2],
)
def test_three_rounds_leave_them_as_they_were(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, more: tuple[str, ...]
) -> None:
    plain = run_over(numbers_plan("features.scale=common", "rounds=0", "initial=ridge", "initial.alpha=1"), hospitals)
    found = run_over(numbers_plan("features.scale=common", *more), hospitals)
    for name in GIVEN:
        assert torch.equal(found.state()[name], plain.state()[name]), name
    assert not same(found.state(), plain.state(), 1e-3), "the head was trained"


@pytest.mark.parametrize(
    "more", [("compression=int8",), ("compression=float16",), ("compression=topk",)], ids=lambda m: m[0]
)
def test_they_travel_as_they_are_whatever_the_compression(
    federate: Callable[..., Any], compose_plan: PlanOf, more: tuple[str, ...]
) -> None:
    """Both ways: the first head of an untrained model is scaled by the same numbers."""
    small = ("data.sites=2", "data.cases=24", "features=taps")
    plain, less = (federate(compose_plan(*small, *o), out=str(len(o))).outcome.shared for o in ((), more))
    assert len(plain["scale.mean"]) >= 64
    for name in GIVEN:
        assert torch.equal(plain[name], less[name]), name
    assert not torch.equal(plain["head.weight"], less["head.weight"]), "which was rounded"


def test_an_exact_fit_keeps_what_was_chosen_before_it(numbers_plan: PlanOf, run_over: RunOver) -> None:
    exact = ("strategy=exact", "patience.quorum_sites=1", "rounds=2")
    found = run_over(numbers_plan("features.scale=auto", *exact), EIGHT)
    assert list(found.outcome.choices) == ["features.scale"]


def test_no_codec_may_round_them() -> None:
    many = torch.zeros(1000)
    assert rounded("head.weight", many)
    assert not any(rounded(name, many) for name in (*GIVEN, "scale.common_mean", "scale.common_deviation"))


def test_own_values_stay_at_each_site(numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals) -> None:
    found = run_over(numbers_plan("features.scale=own"), hospitals)
    assert set(found.state()) == {"head.weight", "head.bias"}
    for site in hospitals:
        held = found.session(site).local_tensors()
        assert set(held) == set(GIVEN)
        expected = torch.from_numpy(hospitals[site].train.mean(0)).float()
        torch.testing.assert_close(held["scale.mean"], expected)


def test_an_exact_fit_over_scaled_numbers_is_that_over_numbers_scaled_beforehand(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    exact = (
        "strategy=exact",
        "strategy.tolerance=1e-7",
        "patience.quorum_sites=1",
        "strategy.weakest=0.1",
        "rounds=1",
        "strategy.precision=float64",
    )
    common, own = (run_over(numbers_plan(f"features.scale={s}", *exact), hospitals) for s in ("common", "own"))
    mean = {s: (r.train.mean(0), r.train.std(0)) for s, r in hospitals.items()}
    by_hand = {s: r.holding((r.numbers - mean[s][0]) / mean[s][1]) for s, r in hospitals.items()}
    expected = run_over(numbers_plan("features.scale=none", *exact), by_hand)
    assert same(own.state(), expected.state(), 1e-4)
    assert not same(common.state(), own.state(), 1e-3)

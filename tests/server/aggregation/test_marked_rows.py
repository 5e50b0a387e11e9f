"""A head's row is averaged over the cases that marked its finding; numbers are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from flwr.serverapp.strategy import FedAvg

from fedgraft.common.errors import RoundError, WireError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer, pack_offer, unpack_offer
from fedgraft.server.aggregation.marked_rows import MarkedRows, marked_rows
from fedgraft.server.aggregation.mean import weighted_mean

PLAN = ("data.task=multilabel", "data.classes=[a,b,c]", "loss=binary_cross_entropy")


def offer(site: str, cases: int, marked: tuple[int, ...] | None) -> Offer:
    return Offer(site, "0" * 64, True, cases, None, marked=marked)


def update(site: str, cases: int, value: float) -> tuple[Any, Update]:
    tensors = {
        "head.weight": torch.full((3, 2), value),
        "head.bias": torch.full((3,), value),
        "other": torch.tensor(value),
    }
    return None, Update(site, "0" * 64, 1, tensors, cases, None, {})


def test_each_row_is_the_mean_of_those_who_marked_it() -> None:
    """a: of all, (10*1 + 30*5)/40 = 4; b: 10*1 and 15*5, (10 + 75)/25 = 3.4; c: nobody now, as it was sent: 9."""
    rows = MarkedRows({"elm": (1.0, 1.0, 0.0), "oak": (1.0, 0.5, 0.0)}, frozenset({"head.weight", "head.bias"}))
    sent = {"head.weight": torch.full((3, 2), 9.0), "head.bias": torch.full((3,), 9.0)}
    made = rows.among([update("elm", 10, 1.0), update("oak", 30, 5.0)], sent)
    mean = weighted_mean([(one.tensors, one.examples) for _, one in made])
    assert mean["head.bias"].tolist() == pytest.approx([4, 3.4, 9])
    assert mean["head.weight"].tolist() == [pytest.approx([row] * 2) for row in (4, 3.4, 9)]
    assert float(mean["other"]) == pytest.approx(4)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("linear", {"weight", "bias"}),
        ("mlp", {"output.weight", "output.bias"}),
        ("attention", {"output.weight", "output.bias"}),
    ],
)
def test_rows_are_found_in_every_head(compose_plan: Callable[..., Plan], head: str, names: set[str]) -> None:
    """Also where a hidden layer is as wide as there are findings."""
    plan = compose_plan(*PLAN, f"head={head}", *(["head.hidden=3"] if head != "linear" else []))
    trained = [f"head.{name}" for name in (*names, "hidden.weight", "hidden.bias", "tanh.weight", "gate.weight")]
    found = marked_rows(plan, FedAvg(), [offer("elm", 20, (20, 0, 10)), offer("oak", 20, None)], 8, trained)
    assert found == MarkedRows({"elm": (1.0, 0.0, 0.5)}, frozenset(f"head.{name}" for name in names))


def test_nothing_is_done_where_all_mark_all_or_sums_are_told(compose_plan: Callable[..., Plan]) -> None:
    plan, all_of_it = compose_plan(*PLAN), offer("oak", 20, None)
    assert marked_rows(plan, FedAvg(), [all_of_it], 8, ["head.bias"]) is None
    assert marked_rows(plan, None, [all_of_it, offer("elm", 20, (20, 0, 0))], 8, ["head.bias"]) is None


def test_what_nobody_marks_is_named(compose_plan: Callable[..., Plan]) -> None:
    offers = [offer("elm", 20, (20, 0, 0)), offer("fir", 30, (0, 30, 0)), offer("oak", 0, None)]
    with pytest.raises(RoundError, match=r"no site marks c .*take it out of data.classes, or map"):
        marked_rows(compose_plan(*PLAN), FedAvg(), offers, 8, ["head.bias"])


def test_counts_travel_and_impossible_ones_are_refused() -> None:
    task, good = Multilabel(("a", "b", "c")), offer("elm", 20, (20, 0, 5))
    assert unpack_offer(pack_offer(good), task) == good
    for wrong, why in (((20, 0), "must be 3 whole numbers"), ((21, 0, 0), "more cases than there are")):
        with pytest.raises(WireError, match=why):
            unpack_offer(pack_offer(replace(good, marked=wrong)), task)

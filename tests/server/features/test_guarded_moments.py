"""Moments that are not believed: the site is left out of the common ones, by name and with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, Error, Message
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.server.reports.summary import summary

from .conftest import Hospitals, Run

PlanOf = Callable[..., Plan]
RunOver = Callable[..., Run]
Change = Callable[[Message], None]


def changing(change: Change) -> Callable[[Message, Message], Message]:
    def tamper(message: Message, reply: Message) -> Message:
        if message.metadata.message_type == "query.moments":
            change(reply)
        return reply

    return tamper


def with_tensors(make: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Change:
    def change(reply: Message) -> None:
        held = {name: torch.from_numpy(array.numpy().copy()) for name, array in reply.content["moments"].items()}  # type: ignore[union-attr]
        reply.content["moments"] = messages.pack_tensors(make(held))

    return change


def with_word(key: str, value: Any) -> Change:
    def change(reply: Message) -> None:
        config = reply.content["site"]
        assert isinstance(config, ConfigRecord)
        config[key] = value

    return change


def broken(reply: Message) -> None:
    reply.__dict__["_content"], reply.__dict__["_error"] = None, Error(2, "fedgraft:data-unusable")


WRONG = [
    (with_tensors(lambda held: {**held, "mean": held["mean"][:3]}), "bad-moments", "shape"),
    (with_tensors(lambda held: {**held, "squares": held["squares"].float()}), "bad-moments", "dtype"),
    (with_tensors(lambda held: {**held, "squares": -held["squares"]}), "bad-moments", "can't be negative"),
    (with_tensors(lambda held: {**held, "mean": held["mean"] / 0}), "bad-moments", "not finite"),
    (with_tensors(lambda held: {"mean": held["mean"]}), "bad-moments", "missing"),
    (with_word("plan", "ab" * 32), "wrong-plan", "belongs to another plan"),
    (with_word("name", "site-2"), "wrong-site", "under another name than site-1"),
    (with_word("cases", 99), "wrong-count", "moments of 99 cases, but 16 when it was prepared"),
    (broken, "site-error", "data-unusable"),
]


@pytest.mark.parametrize(("change", "code", "reason"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_it_is_left_out_by_name(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals, change: Change, code: str, reason: str
) -> None:
    plan = numbers_plan("features.scale=common", "rounds=1")
    found = run_over(plan, hospitals, {"site-1": changing(change)})
    (entry,) = [e for e in found.ledger.entries if e.what == "moments" and e.site == "site-1"]
    assert entry.outcome == code and reason in entry.reason
    scaler = StandardScaler().fit(np.concatenate([hospitals[site].train for site in ("site-0", "site-2")]))
    np.testing.assert_allclose(found.state()["scale.mean"], scaler.mean_, rtol=1e-6)
    told = summary(plan, found.outcome, found.ledger, 1.0)
    assert told["moments_without"] == ["site-1"]
    assert [(line["what"], line["outcome"]) for line in told["dropped"]] == [("moments", code)]
    assert set(found.outcome.final.by_site) == set(hospitals), "it trains on"


def test_if_none_is_believed_the_run_ends_with_all_reasons(
    numbers_plan: PlanOf, run_over: RunOver, hospitals: Hospitals
) -> None:
    tampers = {site: changing(with_word("cases", 99)) for site in hospitals}
    with pytest.raises(RoundError) as caught:
        run_over(numbers_plan("features.scale=common"), hospitals, tampers)
    assert str(caught.value).count("moments of 99 cases") == 3

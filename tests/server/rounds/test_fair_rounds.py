"""Rounds in which sites weigh by their losses: together with the rest of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from flwr.app import Message

from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.fair.strategies import GroupDRO
from fedgraft.common.plan.plan import Plan
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.server.aggregation.strategy_state import keep, restore

Federate = Callable[..., Any]
Composer = Callable[..., Plan]
QUICK = ("rounds=1", "release.evaluation=false", "calibration=none", "decide.unseen=null")


def without_loss(message: Message, reply: Message) -> Message:
    if message.metadata.message_type == "train":
        for metrics in reply.content.metric_records.values():
            metrics.pop("train-loss", None)
    return reply


def test_q_of_0_is_fedavg_and_another_is_not(federate: Federate, compose_plan: Composer) -> None:
    means = federate(compose_plan(*QUICK)).outcome.shared
    alike = federate(compose_plan(*QUICK, "strategy=qffl", "strategy.q=0"), out="alike").outcome.shared
    other = federate(compose_plan(*QUICK, "strategy=qffl", "strategy.q=3"), out="other").outcome.shared
    assert all(torch.allclose(alike[name], tensor, atol=1e-6) for name, tensor in means.items())
    assert not all(torch.allclose(other[name], tensor, atol=1e-5) for name, tensor in means.items())


def test_group_dro_runs_and_its_weights_outlast_an_interruption(federate: Federate, compose_plan: Composer) -> None:
    plan = compose_plan(*QUICK, "strategy=group_dro")
    assert federate(plan).outcome.final.number == 1
    one, other = build_strategy(plan), build_strategy(plan)
    assert isinstance(one, GroupDRO) and isinstance(other, GroupDRO)
    one.weights = {7: 0.25, 9: 0.75}
    restore(other, keep(one))
    assert other.weights == one.weights


def test_a_site_that_tells_no_loss_is_named(federate: Federate, compose_plan: Composer) -> None:
    with pytest.raises(
        RoundError, match=r"round 1: GroupDRO weighs sites by their training losses, and birch told none"
    ):
        federate(compose_plan(*QUICK, "strategy=group_dro"), tamper={1: without_loss})
    for name in ("qffl", "group_dro"):
        with pytest.raises(PlanError, match="weighs sites by their training losses, and release"):
            compose_plan(f"strategy={name}", "release.train_loss=false")

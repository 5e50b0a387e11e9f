"""A site whose process was lost by accident is asked again; the round ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flwr.app import Error, Message

from fedgraft.common import tensors
from fedgraft.common.errors import CLIENT_APP_RAISED_EXCEPTION
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.tries import TIMES

Federate = Callable[..., Any]
Composer = Callable[..., Plan]


class Accidents:
    """The first answers to a kind of message are errors; give it as a tampering."""

    def __init__(self, kind: str, code: str, times: int) -> None:
        self._kind, self._code, self._left = kind, code, times

    def __call__(self, message: Message, reply: Message) -> Message:
        if message.metadata.message_type != self._kind or not self._left:
            return reply
        self._left -= 1
        return Message(Error(CLIENT_APP_RAISED_EXCEPTION, self._code), reply_to=message)


def again(found: Any) -> list[tuple[int, str, str]]:
    return [(line.round, line.site, line.reason) for line in found.ledger.entries if line.what == "again"]


@pytest.mark.parametrize("kind", ["train", "query.prepare", "evaluate"])
def test_the_model_is_the_same(federate: Federate, compose_plan: Composer, kind: str) -> None:
    plan = compose_plan("personal=ditto", "compression=topk", "engine.threads=1", "engine.together=false")
    quiet = federate(plan, out="quiet")
    found = federate(plan, {1: Accidents(kind, "fedgraft:killed", TIMES)})
    assert tensors.digest(found.outcome.shared) == tensors.digest(quiet.outcome.shared)
    assert found.ledger.dropped() == []
    what = kind.removeprefix("query.")
    (number,) = {number for number, _, _ in again(found)}
    assert {site for _, site, _ in again(found)} == {"birch"}  # a simulation registers no names: its own word
    assert [reason for _, _, reason in again(found)] == [f"{what}: the site reported `killed`, and was asked again"] * 2
    assert number == {"train": 1, "query.prepare": 1, "evaluate": plan.rounds}[kind]


def test_after_that_it_is_left_out_by_name(federate: Federate, compose_plan: Composer) -> None:
    found = federate(
        compose_plan("patience.quorum_sites=2"), {1: Accidents("train", "fedgraft:process-ended", TIMES + 1)}
    )
    (line,) = found.ledger.dropped()
    assert (line["round"], line["what"], line["site"], line["outcome"]) == (1, "train", "birch", "site-error")


def test_other_errors_are_not_asked_again(federate: Federate, compose_plan: Composer) -> None:
    found = federate(compose_plan("patience.quorum_sites=2"), {1: Accidents("train", "fedgraft:data-unusable", 1)})
    assert again(found) == []
    assert [line["site"] for line in found.ledger.dropped()] == ["birch"]

"""Who is away: drawn from seed, site and round alone; and what the coordinator sees of it."""

from __future__ import annotations

import math

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedgraft.common.plan.sections import Profile
from fedgraft.common.wire import messages
from fedgraft.server.exchange.guard import Refusal, read_evaluations
from fedgraft.simulations.federation.availability import always, answers, no_answer, reaches

ROUNDS = 4000


def away(seed: int, site: str, availability: float = 0.9) -> list[int]:
    return [number for number in range(1, ROUNDS + 1) if not answers(availability, seed, site, number)]


@pytest.mark.parametrize("availability", [0.05, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("site", ["birch", "site-01"])
def test_the_frequency_is_the_probability(availability: float, site: str) -> None:
    """Within four standard deviations of a binomial."""
    share = 1 - len(away(0, site, availability)) / ROUNDS
    assert abs(share - availability) < 4 * math.sqrt(availability * (1 - availability) / ROUNDS)


def test_seed_site_and_round_decide_and_nothing_else() -> None:
    """Two sites, or one under two seeds, are away together in one round of a hundred."""
    assert away(0, "birch") == away(0, "birch")
    for other in (away(1, "birch"), away(0, "cedar")):
        assert 0.004 * ROUNDS < len(set(away(0, "birch")) & set(other)) < 0.02 * ROUNDS
    assert away(0, "birch")[:4] == [1, 2, 3, 14], "the same on every machine and in every version"


def test_who_is_rarely_away_is_away_only_when_who_is_often_away_would_be() -> None:
    assert set(away(0, "birch", 0.95)) < set(away(0, "birch", 0.6))


def test_an_available_site_is_never_away() -> None:
    assert away(0, "birch", 1.0) == []


@pytest.fixture
def message() -> Message:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
    config = ConfigRecord({"plan": "p", "server-round": 1})
    content = RecordDict({messages.ARRAYS: messages.pack_tensors({"w": torch.zeros(1)}), messages.CONFIG: config})
    message = Message(content, 1000, messages.TRAIN)
    message.metadata.__dict__["_message_id"] = "asked"
    return message


def test_only_train_messages_are_lost_and_the_order_of_sites_does_not_matter(message: Message) -> None:
    rare, sure = Profile(1, 1, 1, 1e-9), Profile(1, 1, 1, 1)
    for some in ({"a": rare, "b": sure}, {"b": sure, "a": rare}):
        reached = reaches(some, seed=0)
        assert (reached(0, message), reached(1, message)) == (False, True)
        assert reached(0, Message(RecordDict(), 1000, messages.EVALUATE))
        assert reached(0, Message(RecordDict(), 1000, messages.PREPARE))
    assert always(0, message)


def test_the_coordinator_sees_an_unreachable_node(message: Message) -> None:
    reply = no_answer(message)
    assert reply.metadata.reply_to_message_id == "asked"
    found = read_evaluations(reply, None, 2)  # type: ignore[arg-type]
    assert isinstance(found, Refusal) and found.code == "unreachable"
    assert found.reason.startswith("the site went away before it answered")

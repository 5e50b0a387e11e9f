"""Simulate sites that are sometimes unavailable: asked to train, they do not answer, like a node Flower can't reach.

Whether a site is available in a round is drawn from the plan's seed, the site's name and the round alone, so that it is
the same in every process. Only messages to learn from are lost: without ``prepare`` a site would not be part of the
federation, and the last evaluation should cover all sites.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping

from flwr.app import Error, Message

from fedgraft.common.plan.sections import Profile
from fedgraft.common.wire import messages
from fedgraft.common.wire.gradient import GRADIENT

NODE_UNAVAILABLE = 5  # flwr.common.constant.ErrorCode
Reaches = Callable[[int, Message], bool]
"""``(site, message) -> whether the message reaches the site``; ``site`` is the index in the order of names."""


def always(site: int, message: Message) -> bool:
    """The `Reaches` of a federation in which every site answers."""
    return True


def answers(availability: float, seed: int, site: str, server_round: int) -> bool:
    """Whether a site answers in a round; true with probability ``availability``."""
    digest = hashlib.sha256(f"availability|{seed}|{site}|{server_round}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < availability


def reaches(profiles: Mapping[str, Profile], seed: int) -> Reaches:
    """The `Reaches` of sites with these profiles, by name."""
    sites = sorted(profiles)

    def reached(site: int, message: Message) -> bool:
        if message.metadata.message_type not in (messages.TRAIN, GRADIENT):
            return True
        server_round = messages.unpack_order(message.content).round
        return answers(profiles[sites[site]].availability, seed, sites[site], server_round)

    return reached


def no_answer(message: Message) -> Message:
    """The error reply that Flower gives the coordinator for an unreachable node."""
    reply = Message(Error(NODE_UNAVAILABLE, "Node Unavailable"), reply_to=message)
    reply.metadata.__dict__["_message_id"] = uuid.uuid4().hex
    return reply

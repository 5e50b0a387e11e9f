"""What came back to a question: an answer of each site, or one that speaks for several.

Whoever asks need not know which: it reads each answer as that of one site, and asks it for whom it speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flwr.app import Message

from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.entries import entry
from fedgraft.server.exchange.guard import Refusal
from fedgraft.server.exchange.ledger import Entry, What
from fedgraft.server.exchange.roster import Roster, registered_still


class Heard(NamedTuple):
    """What one site had offered, and its own reply, if it came."""

    offer: Offer
    reply: Message | None


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        offer: what it must state: the site's name and its cases, or those of all together for whom it speaks.
        reply: ``None`` if there is none.
        sites: by node, those for whom it speaks; or the one that did not answer.
        refused: why it is not used, if that is known already.
    """

    offer: Offer
    reply: Message | None
    sites: Mapping[int, Heard]
    refused: Refusal | None = None

    def lines(
        self, number: int, what: What, found: object, down: int, reason: str = "", counted: bool = False
    ) -> list[Entry]:
        """The ledger's lines on it, one for each site.

        Args:
            found: what was read of it, or why it is not used.
            down: bytes of the question.
            counted: whether the answer states the number of training cases.
        """
        return [
            entry(
                number,
                what,
                one.offer.site,
                node,
                found,
                down,
                one.reply,
                one.offer.examples if counted else None,
                reason,
            )
            for node, one in self.sites.items()
        ]


Hear = Callable[[Sequence[Message], Roster, int, What], list[Answer]]
"""Sends a round's messages of one kind, and collects what comes back. Every node that was asked is in one answer."""


def each_for_itself(delivery: Delivery, registered: Mapping[int, str]) -> Hear:
    """Each site answers for itself; that of one that was unregistered since it was asked is not used."""

    def hear(messages: Sequence[Message], roster: Roster, number: int, what: What) -> list[Answer]:
        replies = delivery.exchange(messages, number, what)
        return [
            Answer(offer, replies[node], {node: Heard(offer, replies[node])}, registered_still(node, registered))
            for node, offer in roster.items()
            if node in replies
        ]

    return hear

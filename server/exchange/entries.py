"""From a reply, or the refusal of one, to the ledger's line about it."""

from __future__ import annotations

from flwr.app import Message

from fedgraft.common.wire.messages import count_bytes
from fedgraft.server.exchange.guard import Refusal, content_of
from fedgraft.server.exchange.ledger import Entry, Ledger, What


def entry(
    number: int,
    what: What,
    site: str,
    node: int,
    found: object,
    bytes_down: int,
    reply: Message | None,
    examples: int | None = None,
    reason: str = "",
) -> Entry:
    """The entry about one reply.

    Args:
        found: what was read from the reply, or a `Refusal`, which gives outcome and reason.
        reason: why an accepted answer holds less than was asked for; ``""`` if it does not.
    """
    up = count_bytes(reply.content) if reply is not None and reply.has_content() else 0
    if isinstance(found, Refusal):
        return Entry(number, what, site, node, found.code, found.reason, None, bytes_down, up)
    return Entry(number, what, site, node, "ok", reason, examples, bytes_down, up)


def note_failure(ledger: Ledger, number: int, what: What, node: int, reply: Message) -> None:
    """Keep a failure as it comes; the ledger's line follows once its question is over."""
    ledger.note_failure(entry(number, what, ledger.name_of(node), node, content_of(reply), 0, reply))

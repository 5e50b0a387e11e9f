"""Send messages and collect the replies, each mapped to the node that was asked."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flwr.app import Message
from flwr.serverapp import Grid

_PAUSE = 0.1


def exchange(grid: Grid, messages: Iterable[Message], timeout: float) -> dict[int, Message | None]:
    """Replies by node id; ``None`` where none came within ``timeout`` seconds.

    A reply is mapped by the message it replies to: an unreachable node's error comes from another source.
    """
    sent = list(messages)
    identifiers = list(grid.push_messages(sent))
    asked = {key: message.metadata.dst_node_id for key, message in zip(identifiers, sent, strict=True)}
    replies: dict[int, Message | None] = dict.fromkeys(asked.values())
    waiting = set(asked)
    deadline = time.monotonic() + timeout
    while waiting:
        for reply in grid.pull_messages(waiting):
            key = reply.metadata.reply_to_message_id
            if key in waiting:
                waiting.discard(key)
                replies[asked[key]] = reply
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(_PAUSE)
    return replies


def wait_for_nodes(grid: Grid, least: int, timeout: float) -> list[int]:
    """Ids of the connected nodes, sorted, as soon as there are ``least`` of them, or after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        nodes = sorted(grid.get_node_ids())
        if len(nodes) >= least or time.monotonic() > deadline:
            return nodes
        time.sleep(1)

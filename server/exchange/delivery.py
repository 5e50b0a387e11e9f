"""Send messages to nodes and collect their replies."""

from __future__ import annotations

import time
from collections.abc import Iterable

from flwr.app import Message
from flwr.serverapp import Grid

_PAUSE = 0.1


def exchange(grid: Grid, messages: Iterable[Message], timeout: float) -> dict[int, Message | None]:
    """Send messages and return the replies by node id; ``None`` for a node without a reply within ``timeout`` seconds.

    Replies are matched by the message that they reply to, since an unreachable node's error has another sender.
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
    """Wait for ``least`` connected nodes, at most ``timeout`` seconds; returns the ids of connected nodes, sorted."""
    deadline = time.monotonic() + timeout
    while True:
        nodes = sorted(grid.get_node_ids())
        if len(nodes) >= least or time.monotonic() > deadline:
            return nodes
        time.sleep(1)

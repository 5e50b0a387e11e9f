"""A SuperNode's calls to its coordinator: closed sessions, short pauses, and word to the supervisor when they fail.

The functions replace some of Flower's, in the SuperNode's process only (`fedgraft.client.deployment.supernode`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from flwr.proto.fleet_pb2 import ActivateNodeResponse
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node

from fedgraft.common.runtime.processes import tell

PAUSE_SECONDS = 2
"""At most, between two tries of a call that failed."""
CONNECT_SECONDS = 3.0
"""For a connection to be made; a host that is cut off answers nothing, and one that is there answers in less."""
POLL_SECONDS = 10.0
"""For the answer to the question whether there is a message; everything else may take Flower's 30 s."""
_CALL_SECONDS = 30.0
_POLL = "/flwr.proto.Fleet/PullMessages"
_ONLINE = "/flwr.proto.Fleet/SendNodeHeartbeat"
_AWAY = (502, 503, 504)


def make_quick(client: Any, retry: Any, heartbeat: Any, beat: Callable[[], None] = lambda: None) -> None:
    """Have calls that fail tried again soon, and tell the supervisor when they begin to fail and when they work again.

    Args:
        client: Flower's class of clients for the Fleet API.
        retry, heartbeat: Flower's modules that decide when a call is tried again.
        beat: is called before and after each call, but for that which only says that the site is online.
    """
    call, pauses = client._unary_unary, heartbeat.exponential
    link = {"works": True}

    def noticed(works: bool) -> None:
        if works != link["works"]:
            link["works"] = works
            tell({"link": works})

    def watched(self: Any, *, rpc_method: str, timeout: float | None = None, **others: Any) -> Any:
        seconds = timeout or (POLL_SECONDS if rpc_method == _POLL else _CALL_SECONDS)
        limit = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        lives = rpc_method != _ONLINE
        try:
            if lives:
                beat()
            answer = call(self, rpc_method=rpc_method, timeout=limit, **others)
        except httpx.TransportError:
            noticed(False)
            raise
        except httpx.HTTPStatusError as error:
            noticed(error.response.status_code not in _AWAY)
            raise
        noticed(True)
        if lives:
            beat()
        return answer

    client._unary_unary = watched
    retry.MAX_RETRY_DELAY = PAUSE_SECONDS
    heartbeat.exponential = lambda **_: pauses(max_delay=PAUSE_SECONDS)


def make_returning(client: Any, known: Path) -> None:
    """Have a site that is refused go on with its last session, which was cut off.

    Only a site with this state folder knows the session's number: another machine that was given a copy of the key does
    not get into the session of this one. (To close the session and open another would leave a moment in which the site
    is away, and whoever waits for its answer would be told so.)

    Args:
        client: Flower's class of clients for the Fleet API.
        known: the file that keeps the number of the site's node, as the coordinator gave it.
    """
    activate = client.ActivateNode

    def activate_again(self: Any, request: Any) -> Any:
        try:
            answer = activate(self, request)
        except httpx.HTTPStatusError:
            node = _number(known)
            if node is None or not _goes_on(self, node, request.heartbeat_interval):
                raise
            answer = ActivateNodeResponse(node_id=node)
        with contextlib.suppress(OSError):
            known.write_text(f"{answer.node_id}\n", encoding="ascii")
        tell({"connected": True})
        return answer

    client.ActivateNode = activate_again


def _goes_on(client: Any, node: int, interval: float) -> bool:
    """Whether the coordinator takes a node's heartbeat, and with it the node for being there."""
    beat = SendNodeHeartbeatRequest(node=Node(node_id=node), heartbeat_interval=interval)
    try:
        return bool(client.SendNodeHeartbeat(beat).success)
    except httpx.HTTPStatusError:
        return False


def _number(known: Path) -> int | None:
    try:
        return int(known.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None

"""A real gateway over TLS, in front of a small stand-in for a SuperLink, for the tests of this folder."""

from __future__ import annotations

import base64
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message

from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.public.announced import Board
from fedgraft.server.deployment.public.door import Door
from fedgraft.server.deployment.public.evaluations import Inbox
from fedgraft.server.deployment.public.fleet_keys import Keyring
from fedgraft.server.deployment.public.gateway import BODY_LIMIT_BYTES, Gateway
from fedgraft.server.deployment.public.membership import Membership
from fedgraft.server.deployment.public.public_port import PublicPort
from fedgraft.server.deployment.public.published import Shelf
from fedgraft.server.deployment.public.reception import Reception


@dataclass
class Upstream:
    """Answers with the number of bytes it got, and remembers every request."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            event = await receive()
            size += len(event.get("body", b""))
            more = event.get("more_body", False)
        self.seen.append((scope["method"], scope["raw_path"].decode()))
        self.headers.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-flower", b"yes")]})
        await send({"type": "http.response.body", "body": str(size).encode()})


@contextmanager
def gateway_of(
    folder: Folder,
    upstream: Upstream | None = None,
    door: Door | None = None,
    body_limit: int = BODY_LIMIT_BYTES,
    membership: Membership | None = None,
) -> Iterator[int]:
    """The port of a gateway in front of a stand-in for a SuperLink."""
    plain = uvicorn.Config(
        Upstream() if upstream is None else upstream,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        ws="none",
        log_level="error",
    )
    behind = uvicorn.Server(plain)
    behind_thread = threading.Thread(target=behind.run)
    behind_thread.start()
    while not behind.started:
        time.sleep(0.01)
    none_kept = httpx.Limits(max_keepalive_connections=0)
    address = f"http://127.0.0.1:{behind.servers[0].sockets[0].getsockname()[1]}"
    client = httpx.AsyncClient(base_url=address, trust_env=False, limits=none_kept)
    door = Door() if door is None else door
    application = Gateway(
        client,
        Keyring(folder),
        body_limit,
        door,
        Shelf(folder),
        Inbox(folder),
        Board(folder),
        Reception(folder),
        membership,
    )
    files = (str(folder.certificate), str(folder.certificate_key))
    public = PublicPort(application, door, "127.0.0.1", 0, *files)
    front = threading.Thread(target=public.run)
    front.start()
    try:
        yield public.port
    finally:
        public.stop()
        front.join()
        behind.should_exit = True
        behind_thread.join()


def signed_as_flower_does(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The headers of a Fleet call, made by Flower's own functions."""
    stamp = now().isoformat()
    return {
        "flwr-public-key": base64.b64encode(public_key_to_bytes(key.public_key())).decode(),
        "flwr-timestamp": stamp,
        "flwr-signature": base64.b64encode(sign_message(key, stamp.encode())).decode(),
    }


def trusting(folder: Folder) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder.authority))

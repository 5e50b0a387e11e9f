"""The coordinator's only public port: a TLS gateway that passes on calls of Flower's Fleet API, gives out models that
were published, and refuses all else.

One port of a SuperLink serves three APIs. Fleet is for sites, and requires a registered key. Control (submit runs,
register sites, read logs) and Runtime have no authentication of their own in open-source Flower, so they must not be
reachable from outside. The gateway compares the path **as it was sent**, without decoding or normalising it, with a
closed list. ``/v1/fleet/../control``, ``%2e%2e`` and ``//`` are not on it. The gateway reads models itself, for
requests that a registered site signed (`fedgraft.server.deployment.published`), and keeps what sites found with them
(`fedgraft.server.deployment.evaluations`).

Run as ``python -m fedgraft.server.deployment.gateway`` by `fedgraft.server.deployment.supervisor`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fedgraft.server.deployment.evaluations import Inbox
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.published import MODELS_PATH, Refused, Shelf

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope


FLEET_CALLS = (
    "activate-node",
    "deactivate-node",
    "send-node-heartbeat",
    "pull-messages",
    "push-messages",
    "get-run",
    "get-fab",
    "push-object",
    "pull-object",
    "confirm-message-received",
)
"""The calls of a SuperNode with a registered key; ``register-node`` and ``unregister-node`` are for those without."""

FLEET_PATHS = frozenset(f"/v1/fleet/{call}".encode() for call in FLEET_CALLS)
HEALTH_PATH = b"/health"
BODY_LIMIT_BYTES = 64 * 1024 * 1024  # Flower sends arrays in pieces of 5 MB
EVALUATION_LIMIT_BYTES = 8 * 1024 * 1024  # those of some hundred thousand cases
PIECE_BYTES = 1024 * 1024
HEADER_SECONDS = 15.0
BODY_SECONDS = 60.0
CONNECTION_LIMIT = 512
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host", b"expect"}
)
"""Headers that concern one connection (RFC 9110, section 7.6.1); they are not passed on."""


class RefusedError(Exception):
    """A request that the gateway answers itself, with an HTTP status and a line of text (200 for what it took)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def check_request(method: str, raw_path: bytes, query: bytes) -> None:
    """Allow exactly the calls that a site makes.

    Raises:
        RefusedError: 403 for anything else, whether or not it exists behind the gateway.
    """
    fleet = method == "POST" and raw_path in FLEET_PATHS
    health = method in ("GET", "HEAD") and raw_path == HEALTH_PATH
    if query or not (fleet or health):
        raise RefusedError(403, "only the Fleet API is reachable here")


class Gateway:
    """The gateway's ASGI application; ``client`` connects to the SuperLink on loopback, ``shelf`` has the models,
    ``inbox`` takes what sites found with them."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        body_limit: int = BODY_LIMIT_BYTES,
        shelf: Shelf | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self.client = client
        self.body_limit = body_limit
        self.shelf = shelf
        self.inbox = inbox

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        if self.shelf is not None and _is_about_models(scope, "GET"):
            await _give(self.shelf, scope, send)
            return
        if self.inbox is not None and _is_about_models(scope, "POST"):
            await _answer(send, await _taken(self.inbox, scope, receive))
            return
        try:
            response = await self._ask(scope, receive)
        except RefusedError as refusal:
            await _answer(send, refusal)
        except httpx.TimeoutException:
            await _answer(send, RefusedError(504, "the coordinator does not answer"))
        except httpx.TransportError:
            await _answer(send, RefusedError(502, "the coordinator is starting or stopping; try again"))
        else:
            await _relay(response, send)

    async def _ask(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> httpx.Response:
        path, headers = scope["raw_path"], list(scope["headers"])
        check_request(scope["method"], path, scope["query_string"])
        _check_length(headers, self.body_limit)
        request = self.client.build_request(
            scope["method"],
            path.decode("ascii"),
            headers=[(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP],
            content=_body(receive, self.body_limit) if scope["method"] == "POST" else None,
        )
        return await self.client.send(request, stream=True)


def _check_length(headers: Sequence[tuple[bytes, bytes]], limit: int) -> None:
    for name, value in headers:
        if name == b"content-length" and not (value.isdigit() and int(value) <= limit):
            raise RefusedError(413, "the body is too large")


async def _body(receive: ASGIReceiveCallable, limit: int) -> AsyncIterator[bytes]:
    """The request's body as it arrives, up to the limit; a chunked body states no length in advance.

    Raises:
        RefusedError: it is too large, too slow, or the sender disconnected.
    """
    received = 0
    while True:
        try:
            event = await asyncio.wait_for(receive(), BODY_SECONDS)
        except TimeoutError:
            raise RefusedError(408, "the body did not arrive in time") from None
        if event["type"] != "http.request":
            raise RefusedError(400, "the sender went away")
        received += len(event["body"])
        if received > limit:
            raise RefusedError(413, "the body is too large")
        if event["body"]:
            yield event["body"]
        if not event["more_body"]:
            return


def _is_about_models(scope: HTTPScope, method: str) -> bool:
    path = scope["raw_path"]
    return scope["method"] == method and not scope["query_string"] and path.startswith(MODELS_PATH.encode())


async def _taken(inbox: Inbox, scope: HTTPScope, receive: ASGIReceiveCallable) -> RefusedError:
    """The answer to a site that sends an evaluation; its body is read only if the site may send one."""
    headers = list(scope["headers"])
    letter = await asyncio.to_thread(inbox.admit, scope["raw_path"], headers)
    if isinstance(letter, Refused):
        return RefusedError(letter.status, letter.text)
    try:
        _check_length(headers, EVALUATION_LIMIT_BYTES)
        content = b"".join([piece async for piece in _body(receive, EVALUATION_LIMIT_BYTES)])
    except RefusedError as refusal:
        return refusal
    refused = await asyncio.to_thread(inbox.take, letter, content)
    return RefusedError(200, "kept") if refused is None else RefusedError(refused.status, refused.text)


async def _give(shelf: Shelf, scope: HTTPScope, send: ASGISendCallable) -> None:
    """Send a file of a model, piece by piece, or the list of models."""
    found = await asyncio.to_thread(shelf.answer, scope["raw_path"], list(scope["headers"]))
    if isinstance(found, Refused):
        await _answer(send, RefusedError(found.status, found.text))
        return
    with io.BytesIO(found) if isinstance(found, bytes) else found.open("rb") as stream:
        length = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(length).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while piece := await asyncio.to_thread(stream.read, PIECE_BYTES):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's HTTP protocol with a limit on the time that a request's headers may take, which uvicorn lacks."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timer()
        super().connection_lost(exc)

    def _watch_headers(self) -> None:
        awaiting = self.cycle is None or self.cycle.response_complete
        if not awaiting:
            self._cancel_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._close_if_waiting)

    def _close_if_waiting(self) -> None:
        self._header_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _cancel_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


async def _relay(response: httpx.Response, send: ASGISendCallable) -> None:
    """Pass on the SuperLink's answer, chunk by chunk."""
    try:
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        kept = [(name, value) for name, value in headers if name not in HOP_BY_HOP and name != b"server"]
        await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        await response.aclose()


async def _answer(send: ASGISendCallable, refusal: RefusedError) -> None:
    body = refusal.text.encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", length), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def upstream(superlink: str, authority: str) -> httpx.AsyncClient:
    """A client for the SuperLink at ``superlink``, for instance ``https://127.0.0.1:8444``."""
    return httpx.AsyncClient(
        base_url=superlink,
        verify=ssl.create_default_context(cafile=authority),
        timeout=httpx.Timeout(10.0, read=120.0, write=60.0, pool=30.0),
        limits=httpx.Limits(max_connections=CONNECTION_LIMIT, max_keepalive_connections=32),
        trust_env=False,
    )


def server_settings(application: Any, host: str, port: int, certificate: str, key: str) -> uvicorn.Config:
    """The uvicorn settings of the public port."""
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        http=HeaderTimeoutProtocol,
        ws="none",
        lifespan="off",
        server_header=False,
        date_header=False,  # the SuperLink's own is passed on
        proxy_headers=False,
        limit_concurrency=CONNECTION_LIMIT,
        log_level="warning",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal stops it."""
    parser = argparse.ArgumentParser(description="TLS gateway in front of a loopback SuperLink")
    for name in ("--listen", "--port", "--superlink", "--authority", "--certificate", "--key", "--folder"):
        parser.add_argument(name, required=True)
    given = parser.parse_args(argv)
    folder = Folder(Path(given.folder))
    application = Gateway(upstream(given.superlink, given.authority), shelf=Shelf(folder), inbox=Inbox(folder))
    settings = server_settings(application, given.listen, int(given.port), given.certificate, given.key)
    uvicorn.Server(settings).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

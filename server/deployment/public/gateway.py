"""The coordinator's only public port: a TLS gateway that passes on calls of Flower's Fleet API, gives out models that
were published, and refuses all else.

One port of a SuperLink serves three APIs. Fleet is for sites, and requires a registered key. Control (submit runs,
register sites, read logs) and Runtime have no authentication of their own in open-source Flower, so they must not be
reachable from outside. The gateway compares the path **as it was sent**, without decoding or normalising it, with a
closed list. ``/v1/fleet/../control``, ``%2e%2e`` and ``//`` are not on it. The gateway reads models itself, for
requests that a registered site signed (`published`), and keeps what sites found with them (`evaluations`) and what
they tell of themselves (`announced`).

Run as ``python -m fedgraft.server.deployment.public.gateway`` by `fedgraft.server.deployment.supervisor`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import httpx
import uvicorn

from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.public.announced import FACTS_PATH, Board
from fedgraft.server.deployment.public.evaluations import Inbox
from fedgraft.server.deployment.public.public_port import CONNECTION_LIMIT, server_settings
from fedgraft.server.deployment.public.published import MODELS_PATH, Refused, Shelf

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
FACTS_LIMIT_BYTES = 256 * 1024
PIECE_BYTES = 1024 * 1024
BODY_SECONDS = 60.0
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host", b"expect"}
)
"""Headers that concern one connection (RFC 9110, section 7.6.1); they are not passed on."""


L = TypeVar("L")


class Taker(Protocol[L]):
    """Who takes what is posted."""

    def admit(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> L | Refused:
        """What may be posted, before any of it is read."""

    def take(self, letter: L, content: bytes) -> Refused | None:
        """Check the content and keep it."""


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
    ``inbox`` takes what sites found with them, ``board`` what sites tell of themselves."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        body_limit: int = BODY_LIMIT_BYTES,
        shelf: Shelf | None = None,
        inbox: Inbox | None = None,
        board: Board | None = None,
    ) -> None:
        self.client = client
        self.body_limit = body_limit
        self.shelf = shelf
        self.inbox = inbox
        self.board = board

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return
        if self.shelf is not None and _is_about_models(scope, "GET"):
            await _give(self.shelf, scope, send)
            return
        if self.inbox is not None and _is_about_models(scope, "POST"):
            await _answer(send, await _taken(self.inbox, EVALUATION_LIMIT_BYTES, scope, receive))
            return
        if self.board is not None and _is_of_facts(scope):
            await _answer(send, await _taken(self.board, FACTS_LIMIT_BYTES, scope, receive))
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


def _is_of_facts(scope: HTTPScope) -> bool:
    return scope["method"] == "POST" and not scope["query_string"] and scope["raw_path"] == FACTS_PATH.encode()


async def _taken(taker: Taker[L], limit: int, scope: HTTPScope, receive: ASGIReceiveCallable) -> RefusedError:
    """The answer to a site that posts something; its body is read only if the site may."""
    headers = list(scope["headers"])
    letter = await asyncio.to_thread(taker.admit, scope["raw_path"], headers)
    if isinstance(letter, Refused):
        return RefusedError(letter.status, letter.text)
    try:
        _check_length(headers, limit)
        content = b"".join([piece async for piece in _body(receive, limit)])
    except RefusedError as refusal:
        return refusal
    refused = await asyncio.to_thread(taker.take, letter, content)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal stops it."""
    parser = argparse.ArgumentParser(description="TLS gateway in front of a loopback SuperLink")
    for name in ("--listen", "--port", "--superlink", "--authority", "--certificate", "--key", "--folder"):
        parser.add_argument(name, required=True)
    given = parser.parse_args(argv)
    folder = Folder(Path(given.folder))
    application = Gateway(
        upstream(given.superlink, given.authority), shelf=Shelf(folder), inbox=Inbox(folder), board=Board(folder)
    )
    settings = server_settings(application, given.listen, int(given.port), given.certificate, given.key)
    uvicorn.Server(settings).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

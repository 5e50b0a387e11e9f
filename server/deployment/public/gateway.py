"""The coordinator's only public port: a TLS gateway that passes on calls of Flower's Fleet API, gives out models that
were published, and refuses all else.

One port of a SuperLink serves three APIs. Fleet is for sites, and requires a registered key. Control (submit runs,
register sites, read logs) and Runtime have no authentication of their own in open-source Flower, so they must not be
reachable from outside. The gateway compares the path **as it was sent**, without decoding or normalising it, with a
closed list. ``/v1/fleet/../control``, ``%2e%2e`` and ``//`` are not on it. The gateway reads models itself, for
requests that a registered site signed (`published`), and keeps what sites found with them (`evaluations`) and what
they tell of themselves (`announced`).

A call that no registered site signed ends in 401 before its body is read. Strangers get `/health`, which is asked of
the SuperLink at most once a second, the authority's certificate, and an answer to an application (`reception`). How
many connections are held, and for how long: `door`, `public_port`.

Run as ``python -m fedgraft.server.deployment.public.gateway`` by `fedgraft.server.deployment.supervisor`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import httpx

from fedgraft.common.runtime import signed_requests
from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.public.announced import FACTS_PATH, Board
from fedgraft.server.deployment.public.answers import answer, refuse
from fedgraft.server.deployment.public.bodies import RefusedError, body, check_length
from fedgraft.server.deployment.public.door import Door, Places
from fedgraft.server.deployment.public.evaluations import Inbox
from fedgraft.server.deployment.public.fleet_keys import Keyring
from fedgraft.server.deployment.public.membership import MEMBERSHIP_PATH, Membership
from fedgraft.server.deployment.public.public_port import UPSTREAM_LIMIT, PublicPort, places_within_limits
from fedgraft.server.deployment.public.published import GIVEN, MODELS_PATH, Refused, Shelf
from fedgraft.server.deployment.public.pulse import Pulse
from fedgraft.server.deployment.public.reception import GIVES, TAKES, Reception

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope, Scope


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
APPLICATION_LIMIT_BYTES = 4096
PIECE_BYTES = 256 * 1024
SEND_SECONDS = 60.0
"""For a piece of an answer to be taken by a line of at least 35 kbit/s."""
UNSIGNED = "no registered site has signed this call, or its clock is off"
CROWDED = "this site holds too many connections at once; try again"
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

    def take(self, letter: L, content: bytes) -> Refused | str | None:
        """Check the content and keep it; a text is the answer."""


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
    """The gateway's ASGI application; ``client`` connects to the SuperLink on loopback, ``keyring`` knows who signed a
    call, ``door`` holds the connections, ``shelf`` has the models, ``inbox`` takes what sites found with them,
    ``board`` what sites tell of themselves, ``reception`` admits who was invited, ``membership`` does what sites ask
    about their own."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        keyring: Keyring,
        body_limit: int = BODY_LIMIT_BYTES,
        door: Door | None = None,
        shelf: Shelf | None = None,
        inbox: Inbox | None = None,
        board: Board | None = None,
        reception: Reception | None = None,
        membership: Membership | None = None,
    ) -> None:
        self.client = client
        self.keyring = keyring
        self.body_limit = body_limit
        self.door = Door() if door is None else door
        self.shelf = shelf
        self.inbox = inbox
        self.board = board
        self.reception = reception
        self.membership = membership
        self._pulse = Pulse(client)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            return

        begun = False

        async def promptly(event: ASGISendEvent) -> None:
            nonlocal begun
            begun = True
            async with asyncio.timeout(SEND_SECONDS):
                await send(event)

        try:
            await self._answer(scope, receive, promptly)
        except (RefusedError, httpx.TransportError, TimeoutError) as error:
            if begun:  # whoever asked does not take it, or the SuperLink does not end it
                self.door.turn_out_peer(scope["client"])
            else:
                await refuse(send, _refusal(error), receive)

    async def _answer(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if self.shelf is not None and _is_about_models(scope, "GET"):
            await self._give(self.shelf, scope, send)
        elif self.inbox is not None and _is_about_models(scope, "POST"):
            raise await self._taken(self.inbox, EVALUATION_LIMIT_BYTES, scope, receive)
        elif self.board is not None and _is_of_facts(scope):
            raise await self._taken(self.board, FACTS_LIMIT_BYTES, scope, receive)
        elif self.membership is not None and _is(("POST", MEMBERSHIP_PATH.encode()), scope):
            raise await self._taken(self.membership, APPLICATION_LIMIT_BYTES, scope, receive)
        elif self.reception is not None and _is(GIVES, scope):
            await answer(send, 200, [(b"content-type", b"application/x-pem-file")], self.reception.authority())
        elif self.reception is not None and _is(TAKES, scope):
            raise await self._taken(self.reception, APPLICATION_LIMIT_BYTES, scope, receive, known=False)
        else:
            check_request(scope["method"], scope["raw_path"], scope["query_string"])
            if scope["raw_path"] == HEALTH_PATH:
                await answer(send, *await self._pulse.felt())
            else:
                await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Pass a site's call on to the SuperLink, and its answer back, chunk by chunk."""
        headers = list(scope["headers"])
        who = await asyncio.to_thread(self.keyring.holder, headers)
        if who is None:
            raise RefusedError(401, UNSIGNED)
        self._welcome(scope, who)
        check_length(headers, self.body_limit)
        request = self.client.build_request(
            "POST",
            scope["raw_path"].decode("ascii"),
            headers=[(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP],
            content=body(receive, self.body_limit),
        )
        response = await self.client.send(request, stream=True)
        try:
            await send({"type": "http.response.start", "status": response.status_code, "headers": passed_on(response)})
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()

    async def _taken(
        self, taker: Taker[L], limit: int, scope: HTTPScope, receive: ASGIReceiveCallable, *, known: bool = True
    ) -> RefusedError:
        """The answer to a site that posts something; its body is read only if the site may. ``known``: it is a
        registered one."""
        headers = list(scope["headers"])
        letter = await asyncio.to_thread(taker.admit, scope["raw_path"], headers)
        if isinstance(letter, Refused):
            return RefusedError(letter.status, letter.text)
        if known:
            self._welcome(scope, _key_of(scope))
        check_length(headers, limit)
        content = b"".join([piece async for piece in body(receive, limit)])
        said = await asyncio.to_thread(taker.take, letter, content)
        return RefusedError(said.status, said.text) if isinstance(said, Refused) else RefusedError(200, said or "kept")

    async def _give(self, shelf: Shelf, scope: HTTPScope, send: ASGISendCallable) -> None:
        """Send a file of a model, piece by piece, or the list of models."""
        found = await asyncio.to_thread(shelf.answer, scope["raw_path"], list(scope["headers"]))
        if isinstance(found, Refused):
            raise RefusedError(found.status, found.text)
        self._welcome(scope, _key_of(scope))
        with io.BytesIO(found) if isinstance(found, bytes) else found.open("rb") as stream:
            length = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(length).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while piece := await asyncio.to_thread(stream.read, PIECE_BYTES):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _welcome(self, scope: HTTPScope, who: str) -> None:
        if not self.door.welcome(scope["client"], who):
            raise RefusedError(503, CROWDED)


def _is_about_models(scope: HTTPScope, method: str) -> bool:
    path, prefixes = scope["raw_path"], GIVEN if method == "GET" else (MODELS_PATH,)
    return scope["method"] == method and not scope["query_string"] and path.startswith(tuple(map(str.encode, prefixes)))


def _is_of_facts(scope: HTTPScope) -> bool:
    return _is(("POST", FACTS_PATH.encode()), scope)


def _is(call: tuple[str, bytes], scope: HTTPScope) -> bool:
    return (scope["method"], scope["raw_path"]) == call and not scope["query_string"]


def _key_of(scope: HTTPScope) -> str:
    """The fingerprint of the key that a request names, which was found to have signed it."""
    return fingerprint(dict(scope["headers"])[signed_requests.KEY.encode()])


def _refusal(error: Exception) -> RefusedError:
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, httpx.TimeoutException):
        return RefusedError(504, "the coordinator does not answer")
    return RefusedError(502, "the coordinator is starting or stopping; try again")


def passed_on(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """The headers of the SuperLink's answer that concern the site, too."""
    headers = [(name.lower(), value) for name, value in response.headers.raw]
    return [(name, value) for name, value in headers if name not in HOP_BY_HOP and name != b"server"]


def upstream(superlink: str, authority: str) -> httpx.AsyncClient:
    """A client for the SuperLink at ``superlink``, for instance ``https://127.0.0.1:8444``."""
    return httpx.AsyncClient(
        base_url=superlink,
        verify=ssl.create_default_context(cafile=authority),
        timeout=httpx.Timeout(10.0, read=120.0, write=60.0, pool=30.0),
        limits=httpx.Limits(max_connections=UPSTREAM_LIMIT, max_keepalive_connections=32),
        trust_env=False,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal stops it."""
    parser = argparse.ArgumentParser(description="TLS gateway in front of a loopback SuperLink")
    for name in ("--listen", "--port", "--superlink", "--authority", "--certificate", "--key", "--folder"):
        parser.add_argument(name, required=True)
    given = parser.parse_args(argv)
    folder, door = Folder(Path(given.folder)), Door(places_within_limits(Places()))
    application = Gateway(
        upstream(given.superlink, given.authority),
        Keyring(folder),
        door=door,
        shelf=Shelf(folder),
        inbox=Inbox(folder),
        board=Board(folder),
        reception=Reception(folder),
        membership=Membership(folder),
    )
    PublicPort(application, door, given.listen, int(given.port), given.certificate, given.key).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

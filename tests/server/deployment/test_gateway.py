"""The gateway over real TLS and real sockets: what passes, what is refused, and when a connection is cut off."""

import asyncio
import importlib.util
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.public import bodies, gateway, public_port
from fedgraft.server.deployment.public.fleet_keys import Keyring
from fedgraft.server.deployment.public.gateway import FLEET_CALLS, Gateway, RefusedError, check_request

from .front import Upstream, gateway_of, signed_as_flower_does, trusting

LIMIT = 200_000
PULL = "/v1/fleet/pull-messages"
KEY = ec.generate_private_key(ec.SECP384R1())


@dataclass
class Running:
    upstream: Upstream
    port: int
    context: ssl.SSLContext
    folder: Folder

    def post(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        url, signed = f"https://localhost:{self.port}{path}", signed_as_flower_does(KEY)
        with httpx.Client(verify=self.context, trust_env=False) as client:
            return client.post(url, headers={**signed, **(headers or {})}, **options)

    def raw(self, request: bytes, seconds: float = 5.0) -> bytes:
        """Send bytes as they are over TLS and return what comes until the connection closes."""
        with (
            socket.create_connection(("localhost", self.port), timeout=seconds) as plain,
            self.context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
            return answer


def signed() -> str:
    """The lines of a signed request's headers."""
    return "".join(f"{name}: {value}\r\n" for name, value in signed_as_flower_does(KEY).items())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = create(tmp_path_factory.mktemp("gateway") / "coordinator", Settings(("localhost",)))
    public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_sites(folder, (RegisteredSite("north", "1", fingerprint(public)),))
    upstream = Upstream()
    with gateway_of(folder, upstream, body_limit=LIMIT) as port:
        yield Running(upstream, port, trusting(folder), folder)


def test_a_fleet_call_passes_in_both_directions(running: Running) -> None:
    answer = running.post(PULL, content=b"x" * 100_000, headers={"te": "trailers"})
    assert (answer.status_code, answer.text, answer.headers["x-flower"]) == (200, "100000", "yes")
    assert "server" not in answer.headers
    assert running.upstream.headers[-1][b"flwr-public-key"].startswith(b"LS0tLS1CRUdJTi")
    assert b"te" not in running.upstream.headers[-1]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v1/control/list-nodes",
            "/v1/control/start-run",
            "/v1/runtime/acquire-task",
            "/docs",
            "/openapi.json",
        ),
        *(
            "/v1/fleet/../control/list-nodes",
            "/v1/fleet/%2e%2e/control/list-nodes",
            "/v1/fleet/..%2fcontrol/x",
        ),
        *(
            "//v1/fleet/pull-messages",
            "/v1//fleet/pull-messages",
            "/v1/fleet/pull-messages/",
            "/V1/fleet/get-run",
        ),
        *(
            "/v1/fleet/pull-messages?a=b",
            "/v1/fleet/pull%2dmessages",
            "/v1/fleet/pull-messages;x",
            "/v1/fleet/",
        ),
        *(
            "/v1/fleet/register-node",
            "/v1/fleet/unregister-node",
            "*",
            "http://127.0.0.1/v1/control/list-nodes",
        ),
        *("/v1/fleet/./pull-messages", "/v1/fleet\\..\\control\\list-nodes", "/v1/fleet/pull-messages%00"),
    ],
)
def test_everything_else_is_refused_and_not_passed_on(running: Running, path: str) -> None:
    before = len(running.upstream.seen)
    request = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    answer = running.raw(request.encode())
    assert answer.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400")), answer
    assert len(running.upstream.seen) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH"])
def test_only_post_reaches_fleet(method: str) -> None:
    with pytest.raises(RefusedError):
        check_request(method, PULL.encode(), b"")


def test_health_is_for_reading() -> None:
    check_request("GET", b"/health", b"")
    check_request("HEAD", b"/health", b"")
    with pytest.raises(RefusedError):
        check_request("POST", b"/health", b"")


def test_a_body_over_the_limit_is_refused(running: Running) -> None:
    assert running.post(PULL, content=b"x" * (LIMIT + 1)).status_code == 413


def test_a_chunked_body_over_the_limit_is_refused(running: Running) -> None:
    assert running.post(PULL, content=(b"x" * 50_000 for _ in range(5))).status_code == 413


def test_slow_headers_are_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_port, "HEADER_SECONDS", 0.3)
    start = time.monotonic()
    assert running.raw(b"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: loc") == b""
    assert 0.2 < time.monotonic() - start < 3.0


def test_slow_headers_after_a_good_request_are_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_port, "HEADER_SECONDS", 0.3)
    start = time.monotonic()
    with (
        socket.create_connection(("localhost", running.port), timeout=4) as plain,
        running.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"POST {PULL} HTTP/1.1\r\nhost: localhost\r\n{signed()}content-length: 0\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):  # the stand-in answers in chunks
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"POST /v1/fleet/get-r")
        assert connection.recv(4096) == b""
    assert time.monotonic() - start < 3.0, "uvicorn's own limit, five seconds, is for idle connections"


def test_a_slow_body_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)
    head = f"POST /v1/fleet/get-run HTTP/1.1\r\nhost: localhost\r\n{signed()}content-length: 9\r\n\r\n"
    assert running.raw(f"{head}ab".encode()).startswith(b"HTTP/1.1 408")


def test_a_body_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece comes in time; the body does not."""
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)

    async def receive() -> Any:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def read() -> int:
        return len([piece async for piece in bodies.body(receive, 1000)])

    with pytest.raises(RefusedError, match="the body did not arrive in time"):
        asyncio.run(read())


def test_an_absent_superlink_is_a_passing_fault(running: Running) -> None:
    """502 is one of the codes for which a SuperNode tries again; 403 would make it drop the run."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    async def ask() -> None:
        client = gateway.upstream("https://127.0.0.1:1", str(running.folder.authority))
        headers = [(name.encode(), value.encode()) for name, value in signed_as_flower_does(KEY).items()]
        scope: Any = {"type": "http", "client": None, "query_string": b"", "headers": headers}
        for method, path in (("POST", PULL), ("GET", "/health"), ("GET", "/health")):
            await Gateway(client, Keyring(running.folder))(
                {**scope, "method": method, "raw_path": path.encode()}, receive, send
            )
        await client.aclose()

    asyncio.run(ask())
    assert [event["status"] for event in sent if "status" in event] == [502, 502, 502]


def test_the_list_is_what_flower_calls() -> None:
    """A new Fleet call in a later flwr must be looked at before it is let through."""
    spec = importlib.util.find_spec("flwr")
    assert spec is not None and spec.origin is not None
    source = (Path(spec.origin).parent / "supernode" / "fleet_http_client.py").read_text(encoding="utf-8")
    called = set(re.findall(r'path="/v1/fleet/([^"]+)"', source))
    assert called == {*FLEET_CALLS, "register-node", "unregister-node"}

"""The gateway over real TLS and real sockets, in front of a small stand-in for a SuperLink."""

import asyncio
import importlib.util
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from fedgraft.server.deployment.pki import issue_server_certificate, make_authority
from fedgraft.server.deployment.public import gateway, public_port
from fedgraft.server.deployment.public.gateway import FLEET_CALLS, Gateway, RefusedError, check_request
from fedgraft.server.deployment.public.public_port import server_settings

LIMIT = 200_000
PULL = "/v1/fleet/pull-messages"


@dataclass
class Upstream:
    """Answers ``POST`` with the number of bytes it got, and remembers every request."""

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


def serve(settings: uvicorn.Config) -> tuple[uvicorn.Server, threading.Thread, int]:
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return server, thread, port


@dataclass
class Running:
    upstream: Upstream
    port: int
    context: ssl.SSLContext

    def post(self, path: str, **options: Any) -> httpx.Response:
        url = f"https://localhost:{self.port}{path}"
        with httpx.Client(verify=self.context, trust_env=False) as client:
            return client.post(url, **options)

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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    ca, ca_key, crt, key = (folder / name for name in ("ca.crt", "ca.key", "server.crt", "server.key"))
    make_authority(ca, ca_key)
    issue_server_certificate(ca, ca_key, crt, key, ["localhost"])
    upstream = Upstream()
    plain = uvicorn.Config(upstream, host="127.0.0.1", port=0, lifespan="off", ws="none", log_level="error")
    behind, behind_thread, behind_port = serve(plain)
    application = Gateway(gateway.upstream(f"http://127.0.0.1:{behind_port}", str(ca)), body_limit=LIMIT)
    front, front_thread, port = serve(server_settings(application, "127.0.0.1", 0, str(crt), str(key)))
    yield Running(upstream, port, ssl.create_default_context(cafile=str(ca)))
    for server, thread in ((front, front_thread), (behind, behind_thread)):
        server.should_exit = True
        thread.join()


def test_a_fleet_call_passes_in_both_directions(running: Running) -> None:
    answer = running.post(PULL, content=b"x" * 100_000, headers={"flwr-public-key": "k", "te": "trailers"})
    assert (answer.status_code, answer.text, answer.headers["x-flower"]) == (200, "100000", "yes")
    assert "server" not in answer.headers
    assert running.upstream.headers[-1][b"flwr-public-key"] == b"k"
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
        connection.sendall(b"POST /v1/fleet/pull-messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):  # the stand-in answers in chunks
            answer += connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"POST /v1/fleet/get-r")
        assert connection.recv(4096) == b""
    assert time.monotonic() - start < 3.0, "uvicorn's own limit, five seconds, is for idle connections"


def test_a_slow_body_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BODY_SECONDS", 0.3)
    answer = running.raw(b"POST /v1/fleet/get-run HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nab")
    assert answer.startswith(b"HTTP/1.1 408")


def test_an_absent_superlink_is_a_passing_fault(tmp_path: Path) -> None:
    """502 is one of the codes for which a SuperNode tries again; 403 would make it drop the run."""
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    async def ask() -> None:
        client = gateway.upstream("https://127.0.0.1:1", str(tmp_path / "ca.crt"))
        scope: Any = {"type": "http", "method": "POST", "raw_path": PULL.encode(), "query_string": b""}
        await Gateway(client)({**scope, "headers": []}, receive, send)
        await client.aclose()

    asyncio.run(ask())
    assert sent[0]["status"] == 502


def test_the_list_is_what_flower_calls() -> None:
    """A new Fleet call in a later flwr must be looked at before it is let through."""
    spec = importlib.util.find_spec("flwr")
    assert spec is not None and spec.origin is not None
    source = (Path(spec.origin).parent / "supernode" / "fleet_http_client.py").read_text(encoding="utf-8")
    called = set(re.findall(r'path="/v1/fleet/([^"]+)"', source))
    assert called == {*FLEET_CALLS, "register-node", "unregister-node"}

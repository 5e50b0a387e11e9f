"""Strangers at the public port, over real TLS and real sockets: idle, slow, without a key, and many."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.deployment.public import bodies, public_port
from fedgraft.server.deployment.public.door import Door, Places
from fedgraft.server.deployment.public.fleet_keys import fleet_signer

from .front import Upstream, gateway_of, signed_as_flower_does, trusting

PULL = "/v1/fleet/pull-messages"
KEY = ec.generate_private_key(ec.SECP384R1())
PLACES = Places(all=40, strangers=24, of_one_address=8, of_one_site=4)


@dataclass
class Running:
    folder: Folder
    upstream: Upstream
    door: Door
    port: int

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        address = f"https://localhost:{self.port}"
        with httpx.Client(verify=trusting(self.folder), trust_env=False, base_url=address, timeout=20) as client:
            yield client

    def plain(self, source: str = "127.0.0.2") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 20, source_address=(source, 0))

    def secure(self, source: str = "127.0.0.2") -> ssl.SSLSocket:
        return trusting(self.folder).wrap_socket(self.plain(source), server_hostname="localhost")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = create(tmp_path_factory.mktemp("strangers") / "coordinator", Settings(("localhost",)))
    public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write_sites(made, (RegisteredSite("north", "1", fingerprint(public)),))
    return made


@pytest.fixture(params=["uvloop", "asyncio"], scope="module")
def running(request: pytest.FixtureRequest, folder: Folder) -> Iterator[Running]:
    """Flower's event loop and Python's own."""
    upstream, door = Upstream(), Door(PLACES)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "asyncio":
            patch.setattr(public_port, "_fast_loop", lambda: None)
        with gateway_of(folder, upstream, door) as port:
            yield Running(folder, upstream, door, port)


def until(what: object) -> None:
    deadline = time.monotonic() + 60
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed it, waiting as long as the socket's own limit."""
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_crowd_keeps_nobody_out(running: Running) -> None:
    """Connections without a word, and others after their handshake, from another address and from the site's own."""
    with ExitStack() as crowd, running.client() as site:
        assert site.post(PULL, headers=signed_as_flower_does(KEY)).status_code == 200
        for _ in range(3):
            for source in ("127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.4"):
                for _ in range(12):
                    crowd.enter_context(running.plain(source))
                crowd.enter_context(running.secure(source))
            assert site.post(PULL, headers=signed_as_flower_does(KEY)).status_code == 200
            with running.client() as another:
                assert another.get("/health").status_code == 200
                assert another.post(PULL, headers=signed_as_flower_does(KEY)).text == "0"
        assert running.door.strangers <= PLACES.strangers
        first = crowd.enter_context(running.plain())
        for _ in range(PLACES.of_one_address):
            crowd.enter_context(running.plain())
        assert is_closed(first)
    until(lambda: running.door.strangers == 0)


BODIES = {
    "none": b"content-length: 0\r\n\r\n",
    "garbage": b"content-length: 9\r\n\r\n\xff\x00garbage",
    "endless": b"content-length: 99999999999\r\n\r\n" + b"x" * 300_000,
    "in pieces": b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
    "that never comes": b"content-length: 50\r\n\r\n",
    "that waits": b"content-length: 50\r\nexpect: 100-continue\r\n\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", [PULL, "/v1/fleet/push-object", "/sites/facts", "/models/first/evaluations"])
def test_without_a_key_whatever_the_body(running: Running, path: str, body: bytes) -> None:
    before = len(running.upstream.seen)
    with running.secure() as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: localhost\r\n".encode() + body)
        answer = b""
        while b"its clock is off" not in answer:
            piece = connection.recv(4096)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 401"), answer
    assert b"connection: close" in answer
    assert len(running.upstream.seen) == before


def test_a_body_that_nobody_wants_is_not_read_for_long(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DISCARD_SECONDS", 0.2)
    monkeypatch.setattr(public_port, "GOODBYE_SECONDS", 0.2)
    with running.secure() as connection, pytest.raises(OSError):
        connection.sendall(f"POST {PULL} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999\r\n\r\n".encode())
        while True:
            connection.sendall(b"x" * 10_000)
    until(lambda: running.door.strangers == 0)


def test_a_handshake_that_does_not_end_is_cut_off(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_port, "HANDSHAKE_SECONDS", 0.2)
    with running.plain() as silent, running.plain() as half:
        half.sendall(b"\x16\x03\x01")
        assert is_closed(silent) and is_closed(half)
    until(lambda: running.door.strangers == 0)


def test_a_stranger_is_not_kept_however_busy(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers that trickle in time would hold a connection for fifteen seconds."""
    monkeypatch.setattr(public_port, "STRANGER_SECONDS", 0.3)
    time.sleep(1.1)  # until the gateway has looked at the new limit
    with running.secure() as connection:
        connection.sendall(b"POST /v1/fleet/get-run HTTP/1.1\r\nhost: loc")
        assert is_closed(connection)


def test_nobody_fills_the_log(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with running.plain() as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert plain.recv(1) in (b"", b"\x15"), "an alert of TLS at most"
    for said in (b"\x00\xff\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"GET /%zz HTTP/1.1\r\nupgrade: x\r\n\r\n"):
        with running.secure() as connection:
            connection.sendall(said)
            while connection.recv(4096):
                pass
    with running.secure() as connection:
        connection.sendall(f"POST {PULL} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx".encode())
    until(lambda: running.door.strangers == 0)
    assert not caplog.records


def test_an_answered_stranger_is_sent_away(running: Running) -> None:
    with running.secure() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer


def test_health_is_asked_of_the_superlink_once_a_second(running: Running) -> None:
    before, began = running.upstream.seen.count(("GET", "/health")), time.monotonic()
    for _ in range(20):
        with running.client() as client:
            assert client.get("/health").status_code == 200
    asked = running.upstream.seen.count(("GET", "/health")) - before
    assert asked <= 1 + (time.monotonic() - began)


def test_a_site_with_too_many_connections_is_told_to_wait(running: Running) -> None:
    """With 503, for which a SuperNode tries again."""
    with ExitStack() as held:
        clients = [held.enter_context(running.client()) for _ in range(PLACES.of_one_site + 1)]
        answers = [client.post(PULL, headers=signed_as_flower_does(KEY)) for client in clients]
        assert [answer.status_code for answer in answers] == [200] * PLACES.of_one_site + [503]
        assert "holds too many connections" in answers[-1].text
    until(lambda: not running.door._guests)


def test_what_is_wrong_with_a_signature(running: Running, folder: Folder) -> None:
    good = signed_as_flower_does(KEY)
    other = ec.generate_private_key(ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = edwards.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    wrong = {
        "another's": signed_as_flower_does(other),
        "another's signature": {**good, "flwr-signature": signed_as_flower_does(other)["flwr-signature"]},
        "another time": {**good, "flwr-timestamp": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()},
        "no time": {**good, "flwr-timestamp": "today"},
        "a time without zone": {**good, "flwr-timestamp": "2026-01-01T00:00:00"},
        "no base64": {**good, "flwr-public-key": "&"},
        "no key": {**good, "flwr-public-key": base64.b64encode(b"key").decode()},
        "another kind of key": {**good, "flwr-public-key": base64.b64encode(pem).decode()},
        "long": {**good, "flwr-signature": "A" * 2000},
        "nothing": {name: value for name, value in good.items() if name != "flwr-signature"},
    }
    with running.client() as client:
        for what, headers in wrong.items():
            answer = client.post(PULL, headers=headers)
            assert (answer.status_code, answer.text) == (
                401,
                "no registered site has signed this call, or its clock is off",
            ), what
        assert client.post(PULL, headers=good).status_code == 200
        try:
            write_sites(folder, ())
            assert client.post(PULL, headers=good).status_code == 401, "no longer registered"
        finally:
            public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            write_sites(folder, (RegisteredSite("north", "1", fingerprint(public)),))


def test_a_signature_holds_as_long_as_for_flower() -> None:
    made = signed_as_flower_does(KEY)
    headers, then = [(k.encode(), v.encode()) for k, v in made.items()], datetime.fromisoformat(made["flwr-timestamp"])
    holds = {seconds: fleet_signer(headers, then + timedelta(seconds=seconds)) for seconds in (-6, -4, 304, 306)}
    assert [seconds for seconds, who in holds.items() if who is not None] == [-4, 304]

"""One clear sentence for each way in which a site is not connected."""

import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fedgraft.client.deployment import supervisor
from fedgraft.client.deployment.connection import Reach, reach, split_address
from fedgraft.client.deployment.signals import Beat, Life
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.only_one import only_one
from fedgraft.common.runtime.processes import Program


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    make_key_pair(tmp_path / "north.key", "north")
    (tmp_path / "ca.crt").write_text("no certificate")
    return Coordinator("localhost:1", tmp_path / "ca.crt", tmp_path / "north.key")


@pytest.fixture
def site(tmp_path: Path, coordinator: Coordinator) -> SiteFile:
    return SiteFile("north", tmp_path / "m.csv", tmp_path / "state", coordinator=coordinator)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("fl.example.org:8443", ("fl.example.org", 8443)),
        ("[2001:db8::1]:8443", ("2001:db8::1", 8443)),
        ("https://fl.example.org:8443", None),
        ("fl.example.org", None),
        ("fl.example.org:99999", None),
    ],
)
def test_addresses(address: str, parts: tuple[str, int] | None) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("output", "words", "lasting"),
    [
        (
            "x\n[code: 2004] Failed to activate SuperNode.",
            "does not admit site north: its key is not regis",
            False,
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "is not the one that coordinator.ca", True),
        ("SuperNode ID: 7\nbye", "the connection ended", False),
        ("Address in use\n", "ended with code 1: Address in use", False),
        ("", "it wrote nothing", False),
        ("x\nthis flwr has no SuperNode that answers", "this flwr has no SuperNode", True),
    ],
)
def test_the_end_of_a_supernode_is_explained(
    site: SiteFile, coordinator: Coordinator, output: str, words: str, lasting: bool
) -> None:
    trouble = supervisor.explain_end(output, 2 if "this flwr" in output else 1, site, coordinator)
    assert words in trouble.sentence and "\n" not in trouble.sentence
    assert (trouble.seconds == 0) is lasting
    if not lasting:
        assert trouble.seconds > 60, "the coordinator counts a killed site as online for a minute"


def test_a_supernode_that_the_gateway_refuses_ends_well(site: SiteFile, coordinator: Coordinator) -> None:
    """Flower's SuperNode asks itself to stop at status 401, and its exit code is 0."""
    trouble = supervisor.explain_end("INFO: Finished server process [1]", 0, site, coordinator)
    assert "the coordinator does not admit site north: its key is not registered" in trouble.sentence
    trouble = supervisor.explain_end(f"{supervisor.CONNECTED} 1", 0, site, coordinator)
    assert "the coordinator was away, or no longer admits this site" in trouble.sentence


def test_what_is_missing_is_named(site: SiteFile, coordinator: Coordinator, tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="no `coordinator` section"):
        supervisor.require_coordinator(SiteFile("north", tmp_path, tmp_path), tmp_path / "site.yaml")
    coordinator.ca.unlink()
    with pytest.raises(SiteFileError, match=r"coordinator\.ca .* does not exist"):
        supervisor.require_coordinator(site, tmp_path / "site.yaml")


def test_a_path_that_flower_can_not_take(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match="with a quote"):
        supervisor.run_site(tmp_path / 'si"te.yaml')


def test_nothing_listens(coordinator: Coordinator, tmp_path: Path) -> None:
    assert "ca.crt can't be used" in reach(coordinator).sentence
    with served(tmp_path) as (port, ca):
        pass
    found = reach(Coordinator(f"localhost:{port}", ca, coordinator.key))
    assert (found.ok, found.lasting) == (False, False)
    assert found.sentence == f"the coordinator at localhost:{port} can't be reached (Connection refused)"


@contextmanager
def served(folder: Path, status: int = 200, ahead: float = 0.0) -> Iterator[tuple[int, Path]]:
    """A TLS server on localhost; its clock is ``ahead`` seconds ahead of ours."""
    import time

    from fedgraft.server.deployment.pki import issue_server_certificate, make_authority

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    made = folder / "tls"
    if not made.exists():
        made.mkdir()
        make_authority(made / "ca.crt", made / "ca.key")
        pair = (made / "server.crt", made / "server.key")
        issue_server_certificate(made / "ca.crt", made / "ca.key", *pair, ["localhost"])
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made / "server.crt", made / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1], made / "ca.crt"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "ahead", "words", "ok", "lasting"),
    [
        (200, 0.0, "answers", True, False),
        (503, 0.0, "is starting or stopping", False, False),
        (404, 0.0, "status 404: it is no FedGraft coordinator", False, True),
        (200, -60.0, "this machine's clock is 60 s ahead of", False, False),
        (200, 400.0, "behind the coordinator's", False, False),
        (200, 200.0, "answers", True, False),
    ],
)
def test_what_the_coordinator_answers(
    coordinator: Coordinator, tmp_path: Path, status: int, ahead: float, words: str, ok: bool, lasting: bool
) -> None:
    with served(tmp_path, status, ahead) as (port, ca):
        found = reach(Coordinator(f"localhost:{port}", ca, coordinator.key))
    assert words in found.sentence or words.replace("60", "61") in found.sentence
    assert (found.ok, found.lasting) == (ok, lasting)


def test_a_wrong_authority_and_a_wrong_name(coordinator: Coordinator, tmp_path: Path) -> None:
    from fedgraft.server.deployment.pki import make_authority

    make_authority(tmp_path / "other.crt", tmp_path / "other.key")
    with served(tmp_path) as (port, ca):
        other = reach(Coordinator(f"localhost:{port}", tmp_path / "other.crt", coordinator.key))
        name = reach(Coordinator(f"127.0.0.2:{port}", ca, coordinator.key))
    assert other.lasting and "is not the one that coordinator.ca" in other.sentence
    assert name.ok is False


def test_it_tries_again_and_then_gives_up(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(False, False, "it is away"))
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "REMINDER_SECONDS", 0.2)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(
            site, coordinator, Path("site.yaml"), 0.5, threading.Event(), holder, threading.Event()
        )
        assert run.run() == 1
    first, *more, last = capsys.readouterr().out.splitlines()
    assert 1 <= len(more) <= 2 and {first, *more} == {"site north: it is away; trying again every 0 s"}
    assert last == "site north: giving up: it is away"


def test_a_supernode_that_does_nothing_is_flagged_and_started_again(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It connects, gives no sign of life for a while, gives one, and no other; its place is taken by one that ends."""
    words = [json.dumps(one) + "\n" for one in ({"connected": True}, {"alive": True})]
    telling = (
        "import os, pathlib, time\n"
        "def tell(word): os.write(int(os.environ['FEDGRAFT_TELLING']), word)\n"
        "if pathlib.Path('second').exists(): raise SystemExit(2)\n"
        "pathlib.Path('second').touch()\n"
        f"tell({words[0].encode()!r})\n"
        "while not pathlib.Path('flagged').exists(): time.sleep(0.01)\n"
        f"tell({words[1].encode()!r})\ntime.sleep(600)"
    )
    node = Program("supernode", (sys.executable, "-c", telling), {}, tmp_path / "supernode.log", tmp_path)
    idle = Program("executor", (sys.executable, "-c", "import time; time.sleep(600)"), {}, tmp_path / "e.log", tmp_path)
    clock, connected = [0.0], threading.Event()
    seen: list[bool] = []

    def wind(told: str) -> None:
        """Time passes with what is said."""
        seen.append(connected.is_set())
        if "waiting for runs" in told:
            clock[0] = 31.0
        elif "does nothing; until" in told:
            (tmp_path / "flagged").touch()
        elif "works again" in told:
            clock[0] += 301.0
        print(told)

    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(True, False, ""))
    monkeypatch.setattr(supervisor, "supernode_program", lambda *_: node)
    monkeypatch.setattr(supervisor, "executor_program", lambda *_: idle)
    monkeypatch.setattr(supervisor, "Life", lambda: Life(lambda: clock[0]))
    monkeypatch.setattr(supervisor, "say", wind)
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", 0.01)
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(site, coordinator, Path("x"), 60.0, threading.Event(), holder, connected)
        assert run.run() == 1
    said = [line.removeprefix("site north: ") for line in capsys.readouterr().out.splitlines()]
    assert said[:3] == [
        "connected to localhost:1; waiting for runs",
        "the SuperNode does nothing; until it does, the coordinator hears nothing of this site",
        "the SuperNode works again",
    ]
    assert seen[:3] == [True, False, True], "whether the coordinator is told that the site is there"
    assert said[3].startswith("the SuperNode does nothing, and is started again; trying again")


def test_signs_of_life_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One in five seconds; of none since the first the supervisor knows after 30 s."""
    told: list[dict[str, bool]] = []
    monkeypatch.setattr("fedgraft.client.deployment.signals.tell", told.append)
    clock = [0.0]
    beat, life = Beat(lambda: clock[0]), Life(lambda: clock[0])
    for clock[0] in (0.0, 1.0, 4.9, 5.0, 9.0, 10.0):
        beat()
    assert told == [{"alive": True}] * 3
    clock[0] = 1000.0
    assert not life.is_quiet, "it has not begun to work"
    life.heard()
    for clock[0], expected in ((1030.0, (False, False)), (1031.0, (True, False)), (1301.0, (True, True))):
        assert (life.is_quiet, life.is_stalled) == expected


def test_an_executor_that_keeps_ending_is_named(
    site: SiteFile,
    coordinator: Coordinator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def program(name: str, code: str) -> Program:
        return Program(name, (sys.executable, "-c", code), {}, tmp_path / f"{name}.log", tmp_path)

    told = ({"connected": True}, {"failed": "disk-full", "what": "train"}, {"link": False}, {"link": True})
    lines = "".join(json.dumps(one) + "\n" for one in told).encode()
    node = program(
        "supernode",
        "import os, pathlib, signal, time; signal.signal(signal.SIGUSR1, lambda *_: None); "
        f"os.write(int(os.environ['FEDGRAFT_TELLING']), {lines!r}); pathlib.Path('told').touch(); time.sleep(600)",
    )
    ending = "import pathlib, time\nwhile not pathlib.Path('told').exists(): time.sleep(0.01)\nraise SystemExit(2)"
    monkeypatch.setattr(supervisor, "reach", lambda _: Reach(True, False, ""))
    monkeypatch.setattr(supervisor, "supernode_program", lambda *_: node)
    monkeypatch.setattr(supervisor, "executor_program", lambda *_: program("executor", ending))
    with only_one(tmp_path / "lock", "site north") as holder:
        run = supervisor._Supervision(
            site, coordinator, Path("site.yaml"), 60.0, threading.Event(), holder, threading.Event()
        )
        assert run.run() == 1
    said = capsys.readouterr().out
    assert "a message of a run (train) failed: `disk-full`: free space on the disk of the site's state folder" in said
    assert "the connection broke off; trying again every 2 s\nsite north: connected again to localhost:1" in said
    assert "connected to localhost:1; waiting for runs" in said
    assert "giving up: the executor keeps ending; its log is" in said

"""One clear sentence for each way in which a site is not connected."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fedgraft.client.deployment import supervisor
from fedgraft.client.deployment.connection import CONNECTED, explain_end, reach, split_address
from fedgraft.client.site.site_file import Coordinator, SiteFile, write_site_file
from fedgraft.common.errors import RoleError, SiteFileError


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
    trouble = explain_end(output, 2 if "this flwr" in output else 1, site, coordinator)
    assert words in trouble.sentence and "\n" not in trouble.sentence
    assert (trouble.seconds == 0) is lasting
    if not lasting:
        assert trouble.seconds > 60, "the coordinator counts a killed site as online for a minute"


def test_a_supernode_that_the_gateway_refuses_ends_well(site: SiteFile, coordinator: Coordinator) -> None:
    """Flower's SuperNode asks itself to stop at status 401, and its exit code is 0."""
    trouble = explain_end("INFO: Finished server process [1]", 0, site, coordinator)
    assert "the coordinator does not admit site north: its key is not registered" in trouble.sentence
    trouble = explain_end(f"{CONNECTED} 1", 0, site, coordinator)
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


def test_a_site_that_only_predicts_is_not_started(tmp_path: Path) -> None:
    write_site_file(tmp_path / "site.yaml", SiteFile("north", tmp_path / "m.csv", tmp_path / "state", role="predict"))
    with pytest.raises(RoleError, match=r"role: predict in site\.yaml: this site takes part in no run"):
        supervisor.run_site(tmp_path / "site.yaml")
    assert not (tmp_path / "state").exists()

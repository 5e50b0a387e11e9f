"""Where a console may listen, and what is refused by name."""

from __future__ import annotations

import argparse
import socket
import stat
from pathlib import Path

import httpx
import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.web.access import kept_secret, read_password
from fedgraft.common.web.serve import LINK, SCRAPE, Place, access_of, add_options, address, place_of, serve
from fedgraft.common.web.site import application

from ...serving import served


def place(*words: str) -> Place:
    parser = argparse.ArgumentParser()
    add_options(parser, 8460)
    return place_of(parser.parse_args(words))


def test_the_loopback_address_with_a_link(tmp_path: Path) -> None:
    here = place()
    access = access_of(here, 8460, tmp_path)
    assert access.hosts == {"127.0.0.1:8460", "localhost:8460"} and not access.tls and access.password is None
    link = (tmp_path / LINK).read_text()
    assert address(here, access) == f"http://127.0.0.1:8460/?token={link}" and len(link) >= 40
    assert access_of(here, 8460, tmp_path) == access, "the same after the next start"
    assert access.scrape == (tmp_path / SCRAPE).read_text() != link
    for name in (LINK, SCRAPE):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / LINK).unlink()
    assert kept_secret(tmp_path / LINK) != link, "removed, the old link is worth nothing"
    assert address(place("--listen", "::1"), access).startswith("http://[::1]:8460/")
    assert "localhost:80" in access_of(here, 80, tmp_path).hosts and "localhost" in access_of(here, 80, tmp_path).hosts


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    for name in ("web.crt", "web.key", "password"):
        (tmp_path / name).write_text("a long password\n")
        (tmp_path / name).chmod(0o600)
    names = {"--certificate": "web.crt", "--key": "web.key", "--password-file": "password"}
    return tuple(word for option, name in names.items() for word in (option, str(tmp_path / name)))


def test_elsewhere_only_with_a_login_and_tls(files: tuple[str, ...], tmp_path: Path) -> None:
    for words in (("--listen", "0.0.0.0"), ("--listen", "192.0.2.7", *files[:4]), ("--listen", "fl", *files[4:])):
        with pytest.raises(
            DeploymentError, match=r"--listen \S+ can be reached from other machines: give --certificate"
        ):
            place(*words)
    with pytest.raises(DeploymentError, match=r"is every address: say with --host which name browsers use"):
        place("--listen", "0.0.0.0", *files)
    there = place("--listen", "0.0.0.0", "--host", "FL.example.org", *files)
    access = access_of(there, 8460, tmp_path)
    assert access.hosts == {"fl.example.org:8460"} and access.tls and access.link is None
    assert access.password == "a long password"
    assert address(there, access) == "https://FL.example.org:8460/"


def test_options_that_lack_another_or_a_file(files: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="--certificate and --key belong together"):
        place(*files[:2])
    with pytest.raises(DeploymentError, match=r"--key \S+ does not exist"):
        place(*files[:2], "--key", str(tmp_path / "none"))
    password = tmp_path / "password"
    password.chmod(0o640)
    with pytest.raises(DeploymentError, match=r"can be read by other accounts: chmod 600"):
        read_password(password)
    password.chmod(0o600)
    password.write_text("short")
    with pytest.raises(DeploymentError, match=r"must have 12 characters or more"):
        read_password(password)
    password.unlink()
    with pytest.raises(DeploymentError, match=r"does not exist; write a password into it"):
        read_password(password)


def test_a_stream_ends_with_the_server(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with httpx.Client(trust_env=False) as client:
        with served(tmp_path, lambda: application({}, {}, lambda token: {"now": "<p>live</p>"}, tuple)) as link:
            base, _, secret = link.partition("?")
            client.get(f"{base}console.css?{secret}")
            lines = client.send(client.build_request("GET", f"{base}events"), stream=True).iter_lines()
            told = [next(lines) for _ in range(4)]
        assert told == ["retry: 3000", "", "event: now", 'data: "<p>live</p>"']
        assert "data" not in "".join(lines), "it is closed, and nothing had changed"
    assert "Error" not in capfd.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DeploymentError, match=rf"--port {port} of 127.0.0.1 can't be used: Address already in use"):
            serve(Place(port), tmp_path, lambda: None)  # type: ignore[arg-type, return-value]

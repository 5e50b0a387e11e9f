"""Where a console listens: the loopback address with a link, or elsewhere with a login and TLS, and nowhere else."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say
from fedgraft.common.web.access import Access, Sessions, kept_secret, read_password
from fedgraft.common.web.guard import Guard

LOOPBACK = "127.0.0.1"
LINK, SCRAPE = "console.token", "metrics.token"
"""Files beside a coordinator's or a site's own, with the secrets that open the console and its metrics."""


@dataclass(frozen=True)
class Place:
    """Where a console listens, and how it is reached.

    Attributes:
        listen: the address that is bound.
        host: a name by which browsers reach it; ``None`` for the address itself.
        certificate, key: files in PEM; ``None`` without TLS.
        password: the file with the login's password; ``None`` without.
    """

    port: int
    listen: str = LOOPBACK
    host: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    password: Path | None = None

    @property
    def is_loopback(self) -> bool:
        try:
            return self.listen == "localhost" or ipaddress.ip_address(self.listen).is_loopback
        except ValueError:
            return False


def add_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Declare where a console listens."""
    parser.add_argument("--port", type=int, default=port, help="(default: %(default)s)")
    parser.add_argument(
        "--listen",
        default=LOOPBACK,
        metavar="IP",
        help="another address than %(default)s: only with --certificate, --key and --password-file",
    )
    parser.add_argument("--host", metavar="NAME", help="by which browsers reach it, if not by the address")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="serve over TLS with this certificate")
    parser.add_argument("--key", type=Path, metavar="PEM", help="of the certificate")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="ask for the password in this file")


def place_of(given: argparse.Namespace) -> Place:
    """
    Raises:
        DeploymentError: others could reach the console, or read what it sends; or an option lacks another.
    """
    place = Place(given.port, given.listen, given.host, given.certificate, given.key, given.password_file)
    if (place.certificate is None) != (place.key is None):
        raise DeploymentError("--certificate and --key belong together")
    for option, path in (("--certificate", place.certificate), ("--key", place.key)):
        if path is not None and not path.is_file():
            raise DeploymentError(f"{option} {path} does not exist")
    if not place.is_loopback and (place.certificate is None or place.password is None):
        raise DeploymentError(
            f"--listen {place.listen} can be reached from other machines: give --certificate and --key (TLS) and "
            "--password-file (a login), or leave it out and use an SSH tunnel"
        )
    if place.listen in ("0.0.0.0", "::") and place.host is None:
        raise DeploymentError(f"--listen {place.listen} is every address: say with --host which name browsers use")
    return place


def access_of(place: Place, port: int, secrets: Path) -> Access:
    """What opens the console.

    Args:
        port: that was bound.
        secrets: the folder with the secrets.
    """
    names = [place.host or place.listen, *([LOOPBACK, "localhost"] if place.is_loopback else [])]
    hosts = frozenset(f"{_bracketed(name).lower()}:{port}" for name in names)
    standard = 443 if place.certificate is not None else 80
    hosts |= {_bracketed(name).lower() for name in names if port == standard}
    password = None if place.password is None else read_password(place.password)
    link = None if password is not None else kept_secret(secrets / LINK)
    return Access(hosts, port, place.certificate is not None, link, kept_secret(secrets / SCRAPE), password)


def address(place: Place, access: Access) -> str:
    """The console's address, with the secret that opens it if that is not a password."""
    scheme = "https" if access.tls else "http"
    link = "" if access.link is None else f"?token={access.link}"
    return f"{scheme}://{_bracketed(place.host or place.listen)}:{access.port}/{link}"


def serve(place: Place, secrets: Path, build: Callable[[], ASGIApp], told: Callable[[str], None] = say) -> int:
    """Serve until a signal ends it; returns the exit code.

    Args:
        secrets: the folder with the secrets.
        build: makes the application.
        told: is called with the address once it can be opened.

    Raises:
        DeploymentError: the port can't be used, or the password's file is unusable.
    """
    with _bound(place) as listening:
        access = access_of(place, listening.getsockname()[1], secrets)
        server = server_of(place, Guard(build(), access, Sessions()))
        told(f"console: {address(place, access)}")
        server.run(sockets=[listening])
    return 0


def server_of(place: Place, guard: Guard) -> uvicorn.Server:
    """The server, which is not running yet."""
    tls: dict[str, Any] = {}
    if place.certificate is not None and place.key is not None:
        tls = {"ssl_certfile": str(place.certificate), "ssl_keyfile": str(place.key)}
    config = uvicorn.Config(
        guard,
        log_level="warning",
        access_log=False,  # an address can hold the link's secret
        server_header=False,
        lifespan="off",
        ws="none",
        http="h11",
        timeout_graceful_shutdown=5,
        **tls,
    )
    server = uvicorn.Server(config)
    guard.ending = lambda: server.should_exit
    return server


@contextlib.contextmanager
def _bound(place: Place) -> Any:
    family = socket.AF_INET6 if ":" in place.listen else socket.AF_INET
    try:
        listening = socket.create_server((place.listen, place.port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DeploymentError(f"--port {place.port} of {place.listen} can't be used: {why}") from error
    with listening:
        yield listening


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name

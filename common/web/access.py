"""Who may see a console: whoever has its link, or its password; and from where a request must come.

A page on the loopback address can be reached by every program of the machine, and by every web site that a browser
shows there. So a request needs a session, whose cookie no other origin can send (``SameSite=Strict``); ``Host`` must
be one of the console's own names, against a name of a stranger that was bound to 127.0.0.1 (DNS rebinding); and a form
needs the session's own token and the console's origin.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import make_once

SESSION_SECONDS = 12 * 3600.0
"""A session ends so long after its last request."""
LOGIN_PAUSE, LOGIN_FAILURES = 60.0, 5
"""So many wrong passwords within so many seconds, and none is looked at until these are over."""
LEAST_PASSWORD = 12
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Access:
    """What opens a console.

    Attributes:
        hosts: what ``Host`` may say: names with the port.
        port: by which the cookie is named, since a browser sends cookies to every port of a machine.
        tls: whether pages are served over TLS.
        link: the secret in the link that the command prints; ``None`` if only the password opens it.
        scrape: the secret by which a program reads ``/metrics``.
        password: ``None`` if there is no login.
    """

    hosts: frozenset[str]
    port: int
    tls: bool
    link: str | None
    scrape: str
    password: str | None = None

    @property
    def cookie(self) -> str:
        return f"fedgraft-{self.port}"

    def is_ours(self, host: str) -> bool:
        """Whether a ``Host`` header names this console."""
        return host.lower() in self.hosts

    def is_same_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a form came from a page of this console: by ``Origin`` (RFC 6454), which browsers send with each
        ``POST``, and by ``Sec-Fetch-Site`` where they send that, too."""
        origin = urlsplit(headers.get("origin", ""))
        ours = origin.scheme == ("https" if self.tls else "http") and origin.netloc == headers.get("host", "")
        return ours and headers.get("sec-fetch-site", "same-origin") == "same-origin"


@dataclass
class Sessions:
    """The sessions of a console, kept in memory: when it ends, all do."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(_TOKEN_BYTES))
    _until: dict[str, float] = field(default_factory=dict)
    _failures: list[float] = field(default_factory=list)

    def begin(self) -> str:
        """A new session's name."""
        now = time.monotonic()
        self._until = {name: until for name, until in self._until.items() if until > now}
        name = secrets.token_urlsafe(_TOKEN_BYTES)
        self._until[name] = now + SESSION_SECONDS
        return name

    def is_open(self, name: str) -> bool:
        """Whether a session goes on; then it goes on for `SESSION_SECONDS` from now."""
        now = time.monotonic()
        if self._until.get(name, 0.0) <= now:
            return False
        self._until[name] = now + SESSION_SECONDS
        return True

    def end(self, name: str) -> None:
        self._until.pop(name, None)

    def token(self, name: str) -> str:
        """What the forms of a session's pages carry."""
        return hmac.new(self.secret, name.encode(), sha256).hexdigest()

    def may_try(self) -> bool:
        """Whether a password is looked at now."""
        now = time.monotonic()
        self._failures = [moment for moment in self._failures if now - moment < LOGIN_PAUSE]
        return len(self._failures) < LOGIN_FAILURES

    def failed(self) -> None:
        """A password was wrong."""
        self._failures.append(time.monotonic())


def is_equal(given: str, secret: str | None) -> bool:
    """Whether both are the same, in a time that does not tell where they differ; never if there is no secret."""
    return secret is not None and hmac.compare_digest(given.encode(), secret.encode())


def kept_secret(path: Path) -> str:
    """The secret in a file of this account alone, which is made if it is missing; who removes it ends the old one."""
    if not path.is_file():
        make_once(path, secrets.token_urlsafe(_TOKEN_BYTES).encode())
    return path.read_text(encoding="ascii").strip()


def read_password(path: Path) -> str:
    """The password in a file.

    Raises:
        DeploymentError: there is none, others can read it, or it is short.
    """
    if not path.is_file():
        raise DeploymentError(f"--password-file {path} does not exist; write a password into it, and `chmod 600` it")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise DeploymentError(f"--password-file {path} can be read by other accounts: chmod 600")
    password = path.read_text(encoding="utf-8").strip()
    if len(password) < LEAST_PASSWORD:
        raise DeploymentError(f"--password-file {path}: the password must have {LEAST_PASSWORD} characters or more")
    return password

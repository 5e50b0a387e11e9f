"""Who has no key here yet: the gateway gives the coordinator's authority to anyone, and takes applications of those who
were invited (`fedgraft.server.deployment.invitations`).

An application is a ``POST`` signed with the key that the site wants to be known by; its content is a JSON object of
the invitation's ``name`` and ``secret``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.invitation import AUTHORITY_PATH, JOIN_PATH, NO_SUCH_INVITATION
from fedgraft.common.runtime.signed_requests import CONTENT, KEY, as_text, signer
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import Admit, UnknownInvitationError, admitted, read_invitations, take_up
from fedgraft.server.deployment.public.published import Refused

GIVES, TAKES = ("GET", AUTHORITY_PATH.encode()), ("POST", JOIN_PATH.encode())
WAITS = "waiting"
"""With status 202: a person at the coordinator must confirm the key."""


@dataclass(frozen=True)
class Application:
    """An application that may be posted: by whose key, in OpenSSH's format, and its content's SHA-256 (hex)."""

    key: str
    digest: str


@dataclass(frozen=True)
class Reception:
    """Takes applications. ``admit_site``: as `take_up`'s ``admit``."""

    folder: Folder
    clock: Callable[[], float] = time.time
    admit_site: Admit = admitted

    def authority(self) -> bytes:
        """The authority's certificate, in PEM."""
        return self.folder.authority.read_bytes()

    def admit(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Application | Refused:
        """Whether an application is taken, before any of its content is read."""
        known = as_text(headers)
        if signer(known, path.decode("latin-1"), self.clock(), posts=True) is None:
            return Refused(401, "an application must be signed, by a clock that is right")
        if not read_invitations(self.folder):
            return Refused(403, "the coordinator has invited nobody")
        return Application(" ".join(known[KEY].split()[:2]), known[CONTENT])

    def take(self, letter: Application, content: bytes) -> Refused | None:
        """Register the site, or say why not."""
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), letter.digest):
            return Refused(400, "the content is not what was signed")
        try:
            asked = json.loads(content)
            name, secret = asked["name"], asked["secret"]
            if not (isinstance(name, str) and isinstance(secret, str)):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return Refused(400, "an application is a JSON object of name and secret")
        try:
            site = take_up(self.folder, name, secret, letter.key, self.clock(), self.admit_site)
        except UnknownInvitationError as error:
            return Refused(NO_SUCH_INVITATION, str(error))
        except DeploymentError as error:
            return Refused(403, str(error))
        return Refused(202, WAITS) if site is None else None

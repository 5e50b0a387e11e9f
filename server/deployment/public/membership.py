"""Registered sites that leave, or want to be known by another key: what they post to the gateway, done at once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedgraft.common.errors import DeploymentError, WireError
from fedgraft.common.membership import LEAVE, PATH, wish_of
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.signed_requests import CONTENT, as_text, signer
from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites
from fedgraft.server.deployment.public.published import Refused
from fedgraft.server.deployment.sites import rekey, unregister

MEMBERSHIP_PATH = PATH
LOG = "membership.jsonl"
"""In the coordinator's folder: a chain of who left, and who changed its key."""
_UNKNOWN = "only a registered site can ask this: the request is not signed by the key of one, or its clock is off"


@dataclass(frozen=True)
class Letter:
    """Which site may post what: its content's SHA-256 (hex)."""

    site: RegisteredSite
    digest: str


@dataclass(frozen=True)
class Membership:
    """Does what registered sites ask about themselves.

    Attributes:
        replace, remove: as `rekey` and `unregister`.
    """

    folder: Folder
    clock: Callable[[], float] = time.time
    replace: Callable[[Folder, str, str], RegisteredSite] = rekey
    remove: Callable[[Folder, str], RegisteredSite] = unregister

    def admit(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Letter | Refused:
        """Whether a ``POST`` is taken, before any of its content is read."""
        known = as_text(headers)
        who = signer(known, path.decode("latin-1"), self.clock(), posts=True)
        found = {site.fingerprint: site for site in read_sites(self.folder)}
        if who is None or who not in found:
            return Refused(401, _UNKNOWN)
        return Letter(found[who], known[CONTENT])

    def take(self, letter: Letter, content: bytes) -> Refused | None:
        """Do it, or say why not; who asks again for the key that it has is told that it is so."""
        if hashlib.sha256(content).hexdigest() != letter.digest:
            return Refused(400, "the content is not what was signed")
        site = letter.site
        try:
            wish = wish_of(content, site.name)
            if wish.what == LEAVE:
                self.remove(self.folder, site.name)
            elif fingerprint(wish.key.encode()) == site.fingerprint:
                return None
            else:
                self.replace(self.folder, site.name, wish.key)
        except WireError as error:
            return Refused(400, str(error))
        except DeploymentError as error:
            return Refused(503, str(error))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
        line = {"time": stamp, "what": wish.what, "site": site.name, "key": site.fingerprint}
        new = {} if wish.what == LEAVE else {"new_key": fingerprint(wish.key.encode())}
        Chain(self.folder.root / LOG).append({**line, **new})
        return None

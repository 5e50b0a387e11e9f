"""What sites tell of themselves, which they post to the gateway: ``facts/SITE.json``, one for each site, the last."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedgraft.common.errors import WireError
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.runtime.signed_requests import CONTENT, TIME, as_text, signer
from fedgraft.common.wire.site_facts import ASKED, PATH, SiteFacts, pack_facts, unpack_facts
from fedgraft.server.deployment.folder import Folder, read_sites
from fedgraft.server.deployment.open_runs import plans_asked
from fedgraft.server.deployment.public.published import Refused

FACTS_PATH = PATH
_UNKNOWN = "only registered sites tell of themselves: the request is not signed by the key of one, or its clock is off"


@dataclass(frozen=True)
class Note:
    """What may be posted: by which site, its content's SHA-256 (hex), and by how many seconds the site's clock is ahead
    of this one."""

    site: str
    digest: str
    ahead: float = 0.0


@dataclass(frozen=True)
class Announced:
    """What a site told. ``received``: when, in seconds since 1970 by the coordinator's clock; ``ahead``: by how many
    seconds the site's clock was ahead of it then, to a second, if that is known."""

    received: float
    facts: SiteFacts
    ahead: float | None = None


@dataclass(frozen=True)
class Board:
    """Takes the facts of registered sites."""

    folder: Folder
    clock: Callable[[], float] = time.time

    def admit(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Note | Refused:
        """Whether a ``POST`` is taken, before any of its content is read."""
        known = as_text(headers)
        now = self.clock()
        who = signer(known, path.decode("latin-1"), now, posts=True)
        names = {site.fingerprint: site.name for site in read_sites(self.folder)}
        if who is None or who not in names:
            return Refused(401, _UNKNOWN)
        return Note(names[who], known[CONTENT], round(int(known[TIME]) - now, 1))

    def take(self, letter: Note, content: bytes) -> Refused | str:
        """Check what a site tells and keep it, in the place of what it told before; the answer names the plans of the
        runs that go on."""
        if hashlib.sha256(content).hexdigest() != letter.digest:
            return Refused(400, "the content is not what was signed")
        try:
            facts = unpack_facts(content)
        except WireError as error:
            return Refused(400, f"{error}; nothing was taken")
        kept = {"received": self.clock(), "ahead": letter.ahead, "facts": pack_facts(facts).decode()}
        with replacing(private_folder(self.folder.facts) / f"{letter.site}.json", private=True) as partial:
            partial.write_text(json.dumps(kept) + "\n", encoding="utf-8")
        return json.dumps({ASKED: plans_asked(self.folder)})


def read_announced(folder: Folder) -> dict[str, Announced]:
    """What registered sites told last, by name; without those that never did."""
    found = {}
    for site in read_sites(folder):
        try:
            kept = json.loads((folder.facts / f"{site.name}.json").read_text(encoding="utf-8"))
            found[site.name] = Announced(
                float(kept["received"]), unpack_facts(kept["facts"].encode()), kept.get("ahead")
            )
        except (OSError, ValueError, KeyError, WireError):  # not there, or of another version of fedgraft
            continue
    return found


def forget(folder: Folder, site: str) -> None:
    """Remove what a site told, since it is no longer registered."""
    (folder.facts / f"{site}.json").unlink(missing_ok=True)

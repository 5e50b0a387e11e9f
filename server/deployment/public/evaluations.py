"""What sites found with published models, which they post to the gateway: who may, what is kept, and where.

``published/NAME/evaluations/SITE.json``, one for each site, the last that it sent. The folder is there if the
coordinator asked for it (``fedgraft coordinator publish --accept-evaluations``); else nothing is taken.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedgraft.common.errors import DeploymentError, FedGraftError
from fedgraft.common.model_folder.digests import DIGESTS, EVALUATIONS, SIGNATURE, file_digest
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.signed_requests import CONTENT, as_text, signer
from fedgraft.server.deployment.folder import Folder, read_sites
from fedgraft.server.deployment.public.published import MODELS_PATH, UNKNOWN, Refused

if TYPE_CHECKING:
    from fedgraft.common.interfaces.task import AnyTask
    from fedgraft.common.wire.external import External

_PATH = re.compile(rf"{re.escape(MODELS_PATH)}/({SITE_NAME.pattern})/{EVALUATIONS}")


@dataclass(frozen=True)
class Letter:
    """A letter that may be posted: by which site, about which model's folder, and its content's SHA-256 (hex)."""

    site: str
    model: Path
    digest: str


@dataclass(frozen=True)
class Kept:
    """What a site found; ``received``: when, as text."""

    site: str
    received: str
    found: External


@dataclass(frozen=True)
class Inbox:
    """Takes evaluations of published models by registered sites."""

    folder: Folder

    def admit(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Letter | Refused:
        """Whether a ``POST`` is taken, before any of its content is read."""
        asked = path.decode("latin-1")
        known = as_text(headers)
        who = signer(known, asked, time.time(), posts=True)
        names = {site.fingerprint: site.name for site in read_sites(self.folder)}
        if who is None or who not in names:
            return Refused(401, UNKNOWN)
        found = _PATH.fullmatch(asked)
        model = None if found is None else self.folder.published / found[1]
        if model is None or not (model / SIGNATURE).is_file():
            return Refused(404, "there is no such model")
        if not (model / EVALUATIONS).is_dir():
            return Refused(403, "the coordinator asks for no evaluations of this model; nothing was taken")
        return Letter(names[who], model, known[CONTENT])

    def take(self, letter: Letter, content: bytes) -> Refused | None:
        """Check a letter's content and keep it, in the place of the site's earlier one."""
        from fedgraft.common.wire.external import unpack_external  # torch: seconds, and most gateways never need it

        if hashlib.sha256(content).hexdigest() != letter.digest:
            return Refused(400, "the content is not what was signed")
        try:
            found = unpack_external(content, _task(letter.model))
        except FedGraftError as error:
            return Refused(400, f"{error}; nothing was taken")
        if found.model != file_digest(letter.model / DIGESTS):
            return Refused(409, "another model was published under this name; fetch it again")
        received = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with replacing(letter.model / EVALUATIONS / f"{letter.site}.json", private=True) as partial:
            told = {"site": letter.site, "received": received, "content": content.decode("utf-8")}
            partial.write_text(json.dumps(told) + "\n", encoding="utf-8")
        return None


def read_evaluations(folder: Folder, name: str) -> tuple[AnyTask, list[Kept]]:
    """The task of a published model, and what sites found with it, by site.

    Raises:
        DeploymentError: there is no such model, it was published without asking, or no site has told.
    """
    from fedgraft.common.wire.external import unpack_external

    folder.settings()  # is a coordinator's
    model = folder.published / name
    if not SITE_NAME.fullmatch(name) or not (model / SIGNATURE).is_file():
        there = ", ".join(sorted(path.parent.name for path in folder.published.glob(f"[!.]*/{SIGNATURE}")))
        raise DeploymentError(f"no model {name!r} was published; there are: {there or 'none'}")
    if not (model / EVALUATIONS).is_dir():
        raise DeploymentError(
            f"{name} was published without --accept-evaluations; publish it again with it, and sites can send theirs"
        )
    task, kept = _task(model), []
    for path in sorted((model / EVALUATIONS).glob("[!.]*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        kept.append(Kept(told["site"], told["received"], unpack_external(told["content"].encode(), task)))
    if not kept:
        raise DeploymentError(f"no site has sent an evaluation of {name} yet: fedgraft site evaluate MODEL --send")
    return task, kept


def _task(model: Path) -> AnyTask:
    from fedgraft.common import tasks
    from fedgraft.common.model_folder.folder import PLAN
    from fedgraft.common.plan.plan import load_plan

    return tasks.of(load_plan(model / PLAN).data)

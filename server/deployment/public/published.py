"""What the gateway gives to registered sites: models that were published (`fedgraft.server.deployment.publishing`), and
to each what was kept of its own statements about its logs.

Whoever asks signs the request with the key of a registered site (`fedgraft.common.runtime.signed_requests`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.logs.heads import HEADS_PATH
from fedgraft.common.model_folder.digests import SIGNATURE
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.common.runtime.signed_requests import as_text, signer
from fedgraft.server.deployment.folder import Folder, read_sites

MODELS_PATH = "/models"
GIVEN = (MODELS_PATH, HEADS_PATH)
UNKNOWN = "models are for registered sites: the request is not signed by the key of one, or its clock is off"


@dataclass(frozen=True)
class Refused:
    """An answer without content: an HTTP status, and a line of text."""

    status: int
    text: str


@dataclass(frozen=True)
class Shelf:
    """What the gateway gives out: ``/models``, the names as JSON; ``/models/NAME/FILE``, a file; ``/sites/heads``."""

    folder: Folder

    def answer(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Path | bytes | Refused:
        """The file, or the text, of a ``GET``; the path is compared as it was sent, with a closed list."""
        asked = path.decode("latin-1")
        known = as_text(headers)
        who = signer(known, asked, time.time())
        names = {site.fingerprint: site.name for site in read_sites(self.folder)}
        if who is None or who not in names:
            return Refused(401, UNKNOWN.replace("models", "heads of logs") if asked == HEADS_PATH else UNKNOWN)
        if asked == HEADS_PATH:
            kept = self.folder.heads / f"{names[who]}.jsonl"
            return kept if kept.is_file() else b""
        models = self._models()
        if asked == MODELS_PATH:
            return (json.dumps(sorted(models)) + "\n").encode()
        files = {
            f"{MODELS_PATH}/{name}/{file.name}": file
            for name, model in models.items()
            for file in model.iterdir()
            if file.is_file()
        }
        return files.get(asked, Refused(404, "there is no such model, or no such file of it"))

    def _models(self) -> dict[str, Path]:
        there = self.folder.published.iterdir() if self.folder.published.is_dir() else ()
        return {path.name: path for path in there if SITE_NAME.fullmatch(path.name) and (path / SIGNATURE).is_file()}

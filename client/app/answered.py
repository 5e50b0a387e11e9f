"""The last answer to ``train`` or into a secure sum of each run, and the last shares for one, kept on the site's disk:
asked the same again, a site says the same again.

A coordinator that was interrupted asks for a round again, and so does one to whom an answer did not get through.
Training takes minutes to hours; the answer is a file. Numbers are masked once for each sum, and noise is charged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from flwr.app import RecordDict

from fedgraft.common import tensors
from fedgraft.common.errors import BackboneError, WireError
from fedgraft.common.wire.kept import put_together, taken_apart
from fedgraft.common.wire.messages import CLASS_COUNTS, CONFIG
from fedgraft.common.wire.run_name import unnamed

FOLDER = "answers"


@dataclass(frozen=True)
class Said:
    """All that a message asks, but for the run that it goes on with.

    Attributes:
        content: SHA-256 (hex) of it, but for the class counts.
        counts: those, as JSON.
    """

    content: str = ""
    counts: str = ""


def said_by(content: RecordDict) -> Said:
    """What a message asks."""
    records, arrays = taken_apart(unnamed(content))
    config = records.get(CONFIG, {}).get("values", {})
    counts = json.dumps(config.pop(CLASS_COUNTS, None))
    text = json.dumps(records, sort_keys=True) + tensors.digest(arrays)
    return Said(hashlib.sha256(text.encode()).hexdigest(), counts)


def digest_of(said: Said, site_file: Path) -> str:
    """SHA-256 (hex) of all that a message asks, and of the site file: what a site no longer releases is not said
    again."""
    return hashlib.sha256(f"{said.content}{said.counts}".encode() + site_file.read_bytes()).hexdigest()


def keep_answer(state: Path, run: int, asked: str, answer: RecordDict, of: str = "") -> None:
    """Keep an answer in place of the run's one before.

    Args:
        state: the site's state folder.
        asked: the `digest_of` the message.
        of: a name for answers that are kept beside the others.
    """
    records, arrays = taken_apart(answer)
    tensors.save(_file(state, run, of), arrays, {"asked": asked, "records": json.dumps(records)}, durable=True)


def kept_answer(state: Path, run: int, asked: str, of: str = "") -> RecordDict | None:
    """The answer that was given to the same message; ``None`` if there is none, or it is damaged."""
    path = _file(state, run, of)
    try:
        about = tensors.about(path) if path.is_file() else {}
        if about.get("asked") != asked:
            return None
        return put_together(json.loads(about["records"]), tensors.load(path))
    except (BackboneError, WireError, KeyError, ValueError):
        return None


def _file(state: Path, run: int, of: str) -> Path:
    return state / FOLDER / f"{run}{of}.safetensors"

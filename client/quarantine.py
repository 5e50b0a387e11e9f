"""The cases that a site can't use, written down: by pseudonym and reason, never by file, patient or content."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.facts import USABLE, count_reasons, reason_of
from fedgraft.client.manifest import Case
from fedgraft.client.pseudonyms import Pseudonyms

FILE = "quarantine.jsonl"


def write_quarantine(state: Path, cases: Sequence[Case], verdicts: NDArray[np.uint8]) -> dict[str, int]:
    """Replace ``quarantine.jsonl`` in a site's state folder: a line for each case that can't be used.

    Returns:
        how many, by reason, most first.
    """
    bad = [(case, reason_of(verdict)) for case, verdict in zip(cases, verdicts, strict=True) if verdict != USABLE]
    file = state / FILE
    if bad:
        names = Pseudonyms(state)
        lines = [json.dumps({"case": names.name(case), "reason": reason}) + "\n" for case, reason in bad]
        partial = file.with_name(f"{FILE}.{os.getpid()}")
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(file)
    else:
        file.unlink(missing_ok=True)
    return count_reasons(verdicts)

"""Pseudonyms of cases in a site's own reports: keyed hashes, whose key never leaves the site.

HMAC-SHA256 (RFC 2104) over patient, path and row. Without the key, a pseudonym can't be matched against a list of file
names or patients; with it, ``fedgraft site case`` finds the manifest's line.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import make_once

KEY_BYTES = 32
KEY_FILE = "case-names.key"


class Pseudonyms:
    """Makes pseudonyms of cases.

    Args:
        state: the site's state folder, which holds the key; a new key is made if there is none, for this account only.

    Raises:
        DataError: the key is damaged.
    """

    def __init__(self, state: Path) -> None:
        self._key = _key(state / KEY_FILE)

    def name(self, case: Case) -> str:
        """A case's pseudonym: ``case-`` and ten hexadecimal digits; the same on every start, at this site only."""
        content = f"{case.patient}\0{case.path}\0{case.row}".encode("utf-8", "surrogateescape")
        return f"case-{hmac.new(self._key, content, hashlib.sha256).hexdigest()[:10]}"


def _key(file: Path) -> bytes:
    """Read the key, or make it atomically, also if two processes start at the same time."""
    if not file.is_file():
        make_once(file, secrets.token_bytes(KEY_BYTES))
    key = file.read_bytes()
    if len(key) != KEY_BYTES:  # after a power failure, say: names by an empty key could be tried out
        raise DataError(f"{file} is damaged; remove it, and cases get new names")
    return key

"""A site's own secret: it decides who is in which part of the cohort, and names patients and lines in the account.

It is made once, never leaves the site, and lies in the state folder, readable by the site's account only. A simulation
writes the seed of its plan instead, so that whoever runs the same plan gets the same parts.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import make_once, private_folder, replacing

FILE = "site.secret"
_OWN, _SEED = re.compile(r"[0-9a-f]{64}"), re.compile(r"seed (-?\d{1,20})")


@dataclass(frozen=True)
class Secret:
    """Attributes:
    text: 64 hexadecimal digits, or in a simulation the plan's seed.
    simulated: whether it is a seed, which others know.
    """

    text: str
    simulated: bool = False

    def mark(self, *parts: str) -> bytes:
        """16 bytes for some texts, that nobody can make or try out who does not have the secret: keyed BLAKE2b
        (RFC 7693)."""
        content = "\0".join(parts).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(content, digest_size=16, key=self.text.encode()[:64]).digest()

    def share(self, *parts: str) -> float:
        """A number from 0 to below 1 for some texts, as even as a draw."""
        return int.from_bytes(self.mark("share", *parts)[:7], "big") / 2**56


def secret_of(state: Path) -> Secret:
    """The secret of a site; made if there is none, also if two processes start at the same time.

    Raises:
        DataError: it is damaged.
    """
    file = state / FILE
    if not file.is_file():
        make_once(file, secrets.token_hex(32).encode() + b"\n")
    text = file.read_text(encoding="ascii", errors="replace").strip()
    seed = _SEED.fullmatch(text)
    if seed is None and not _OWN.fullmatch(text):
        raise DataError(
            f"{file} is damaged: it decides who is in which part of the cohort; bring it back from a copy of the "
            "state folder. Without one, move the whole state folder away: a new secret makes new parts"
        )
    return Secret(text) if seed is None else Secret(seed.group(1), simulated=True)


def write_seed(state: Path, seed: int) -> None:
    """Give a simulated site the plan's seed as its secret."""
    private_folder(state)
    with replacing(state / FILE, private=True) as partial:
        partial.write_text(f"seed {seed}\n", encoding="ascii")

"""Where the chains of one side's logs stand, signed by its key: a statement that the other side keeps.

ECDSA (FIPS 186-5) with SHA-384, by the site's own key or that of the coordinator's authority. What is signed begins
with words of its own, so that it can't be taken for anything else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from fedgraft.common.errors import WireError
from fedgraft.common.runtime.chained import Head
from fedgraft.common.runtime.files import private_folder, replacing

MOST_CHARACTERS = 4096
HEADS_PATH = "/sites/heads"
"""Where a coordinator gives a site what it kept of its statements."""
_DIGEST, _NAME = re.compile(r"[0-9a-f]{64}|"), re.compile(r"[a-z]{1,40}")
_WHAT = b"FedGraft heads of logs, format 1\n"


@dataclass(frozen=True)
class Statement:
    """What one side says about its logs.

    Attributes:
        of: a site's name, or ``coordinator RUN``.
        time: UTC, ISO 8601.
        heads: by log, as ``released``.
        key: the public half of a site's key, as in its ``.pub`` file; empty for the coordinator's authority.
        signature: base64; empty if it is not signed.
    """

    of: str
    time: str
    heads: Mapping[str, Head] = field(default_factory=dict)
    key: str = ""
    signature: str = ""

    def to_json(self) -> str:
        return json.dumps({**self.__dict__, "heads": {name: list(head) for name, head in self.heads.items()}})

    def signed(self, key: Path) -> Statement:
        """The statement with a signature by a private key: a site's in OpenSSH's format, or the authority's PEM."""
        content = key.read_bytes()
        ssh = b"OPENSSH" in content
        private = load_ssh_private_key(content, None) if ssh else load_pem_private_key(content, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey), "FedGraft makes no other"
        public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        named = replace(self, key=public if ssh else "", signature="")
        made = private.sign(named._text(), ec.ECDSA(hashes.SHA384()))
        return replace(named, signature=base64.b64encode(made).decode())

    def is_signed_by(self, public: ec.EllipticCurvePublicKey) -> bool:
        try:
            made = base64.b64decode(self.signature, validate=True)
            public.verify(made, replace(self, signature="")._text(), ec.ECDSA(hashes.SHA384()))
        except (ValueError, binascii.Error, InvalidSignature):
            return False
        return True

    def is_signed_by_authority(self, certificate: Path) -> bool:
        """Whether the key of a certificate (``ca.crt``) signed it."""
        public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
        return isinstance(public, ec.EllipticCurvePublicKey) and self.is_signed_by(public)

    def is_signed_by_own_key(self) -> bool:
        """Whether the key that it names signed it; whose that is must be known otherwise."""
        try:
            public = load_ssh_public_key(self.key.encode())
        except (ValueError, UnsupportedAlgorithm):
            return False
        return isinstance(public, ec.EllipticCurvePublicKey) and self.is_signed_by(public)

    def _text(self) -> bytes:
        return _WHAT + self.to_json().encode()


def statement_from(text: str) -> Statement:
    """Read what the other side sent, or what was kept; the signature is the caller's to check.

    Raises:
        WireError: it is no such statement.
    """
    try:
        if len(text) > MOST_CHARACTERS:
            raise ValueError
        held = json.loads(text)
        heads = {name: Head(lines, digest) for name, (lines, digest) in held.pop("heads").items()}
        found = Statement(**held, heads=heads)
        texts = (found.of, found.time, found.key, found.signature)
        whole = all(isinstance(one, str) for one in texts) and all(_is_head(*item) for item in heads.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise WireError("a statement about the heads of logs can't be read")
    return found


def keep_newest(path: Path, statement: Statement) -> None:
    """Keep the other side's newest statement in the place of the one before; if it has fewer lines of a log than that,
    or other ones, beside it, for good: it must be accounted for when that side's logs are verified."""
    kept = list(read_kept(path))
    if kept and _follows(statement, kept[-1]):
        kept.pop()
    private_folder(path.parent)
    with replacing(path, private=True) as partial:
        partial.write_text("".join(f"{one.to_json()}\n" for one in (*kept, statement)), encoding="utf-8")


def read_kept(path: Path) -> Sequence[Statement]:
    """What was kept, the newest last; none if there is no file, or a line of it can't be read any more."""
    return [one for one in _kept(path) if one is not None]


def read_statements(text: str) -> Sequence[Statement]:
    """The statements in a text, a line each, without what can't be read."""
    return [one for one in _in(text) if one is not None]


def is_damaged(path: Path) -> bool:
    """Whether a line of such a file can't be read any more, or is not as it was written."""
    return any(one is None for one in _kept(path))


def _kept(path: Path) -> Iterator[Statement | None]:
    """Each line's statement; ``None`` for one that can't be read."""
    yield from _in(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


def _in(text: str) -> Iterator[Statement | None]:
    for line in text.split("\n")[:-1] + ([""] if text and not text.endswith("\n") else []):
        try:
            found = statement_from(line)
            yield found if found.to_json() == line else None
        except WireError:
            yield None


def _follows(new: Statement, old: Statement) -> bool:
    """Whether logs as ``new`` says can have grown out of those as ``old`` says, as far as numbers tell."""
    if new.of != old.of:
        return False
    for name, head in old.heads.items():
        now = new.heads.get(name, Head(0, ""))
        if now.lines < head.lines or (now.lines == head.lines and now.digest != head.digest):
            return False
    return True


def _is_head(name: str, head: Head) -> bool:
    return bool(
        _NAME.fullmatch(name)
        and isinstance(head.lines, int)
        and head.lines >= 0
        and isinstance(head.digest, str)
        and _DIGEST.fullmatch(head.digest)
    )

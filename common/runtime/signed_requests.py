"""HTTP requests that a site signs with its own key, by which the coordinator knows who asks.

The key is the one that it registered; SuperNode authentication does the same for Flower's own calls. A signature holds
for one path, for what is posted there, and for a few minutes. It travels over TLS only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from fedgraft.common.runtime.ssh_keys import fingerprint

KEY, TIME, SIGNATURE = "x-fedgraft-key", "x-fedgraft-time", "x-fedgraft-signature"
CONTENT = "x-fedgraft-content"
"""The SHA-256 (hex) of what is posted."""
SECONDS = 300.0
"""How far the clocks of both may be apart."""
_MOST = 1024


def signed_headers(key: Path, path: str, now: float, content: bytes | None = None) -> dict[str, str]:
    """The headers of ``GET path``, or of ``POST path`` with this content.

    Args:
        key: the site's private key, an EC key in OpenSSH's format.
        now: seconds since 1970.
    """
    private = load_ssh_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "checked by fedgraft.client.site.keys"
    stamp, digest = str(int(now)), None if content is None else hashlib.sha256(content).hexdigest()
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    made = private.sign(_text(path, stamp, digest), ec.ECDSA(hashes.SHA384()))
    headers = {KEY: public.decode(), TIME: stamp, SIGNATURE: base64.b64encode(made).decode()}
    return headers if digest is None else {**headers, CONTENT: digest}


def as_text(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of a request as it came, by name in small letters."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def signer(headers: Mapping[str, str], path: str, now: float, *, posts: bool = False) -> str | None:
    """The fingerprint of the key that signed ``GET path``, or ``POST path`` with content of the digest under
    `CONTENT`, which the caller must compare; ``None`` if nobody did, or not about now.

    Args:
        headers: by name in small letters.
    """
    key, stamp, made = (headers.get(name, "") for name in (KEY, TIME, SIGNATURE))
    digest = headers.get(CONTENT, "") if posts else None
    if max(map(len, (key, stamp, made, digest or ""))) > _MOST or not (stamp.isascii() and stamp.isdecimal()):
        return None
    if abs(now - int(stamp)) > SECONDS:
        return None
    try:
        public = load_ssh_public_key(key.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return None
        public.verify(base64.b64decode(made, validate=True), _text(path, stamp, digest), ec.ECDSA(hashes.SHA384()))
    except (ValueError, UnsupportedAlgorithm, binascii.Error, InvalidSignature):
        return None
    return fingerprint(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def _text(path: str, stamp: str, digest: str | None) -> bytes:
    what = f"GET {path}\n{stamp}" if digest is None else f"POST {path}\n{stamp}\n{digest}"
    return f"FedGraft request, format 1\n{what}\n".encode()

"""HTTP requests that a site signs with its own key, by which the coordinator knows who asks.

The key is the one that it registered; SuperNode authentication does the same for Flower's own calls. A signature holds
for one path and for a few minutes. It travels over TLS only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
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
SECONDS = 300.0
"""How far the clocks of both may be apart."""
_MOST = 1024


def signed_headers(key: Path, path: str, now: float) -> dict[str, str]:
    """The headers of ``GET path``.

    Args:
        key: the site's private key, an EC key in OpenSSH's format.
        now: seconds since 1970.
    """
    private = load_ssh_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "checked by fedgraft.client.site.keys"
    stamp = str(int(now))
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    made = private.sign(_text(path, stamp), ec.ECDSA(hashes.SHA384()))
    return {KEY: public.decode(), TIME: stamp, SIGNATURE: base64.b64encode(made).decode()}


def signer(headers: Mapping[str, str], path: str, now: float) -> str | None:
    """The fingerprint of the key that signed ``GET path``; ``None`` if nobody did, or not about now.

    Args:
        headers: by name in small letters.
    """
    key, stamp, made = (headers.get(name, "") for name in (KEY, TIME, SIGNATURE))
    if max(map(len, (key, stamp, made))) > _MOST or not (stamp.isascii() and stamp.isdecimal()):
        return None
    if abs(now - int(stamp)) > SECONDS:
        return None
    try:
        public = load_ssh_public_key(key.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return None
        public.verify(base64.b64decode(made, validate=True), _text(path, stamp), ec.ECDSA(hashes.SHA384()))
    except (ValueError, UnsupportedAlgorithm, binascii.Error, InvalidSignature):
        return None
    return fingerprint(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


def _text(path: str, stamp: str) -> bytes:
    return f"FedGraft request, format 1\nGET {path}\n{stamp}\n".encode()

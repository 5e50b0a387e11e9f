"""What a registered site asks about its own membership: to be known by another key from now on, or to leave.

It is posted as JSON and signed by the key that the site is known by (`fedgraft.common.runtime.signed_requests`). The
new key signs, too, that it belongs to whoever asks.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
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

from fedgraft.common.errors import WireError

PATH = "/sites/membership"
LEAVE, REKEY = "leave", "rekey"


@dataclass(frozen=True)
class Wish:
    """Attributes:
    what: `LEAVE` or `REKEY`.
    key: the new public key in OpenSSH's format, without a comment; empty to leave.
    """

    what: str
    key: str = ""


def leaving() -> bytes:
    """The content of a request to leave."""
    return json.dumps({"what": LEAVE}).encode()


def rekeying(name: str, new: Path) -> bytes:
    """The content of a request to be known by a new key.

    Args:
        name: of the site.
        new: the new private key, an EC key in OpenSSH's format.
    """
    private = load_ssh_private_key(new.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "made by fedgraft.client.site.keys"
    key = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    proof = base64.b64encode(private.sign(_text(name, key), ec.ECDSA(hashes.SHA384()))).decode()
    return json.dumps({"what": REKEY, "key": key, "proof": proof}).encode()


def wish_of(content: bytes, name: str) -> Wish:
    """Read what a site asks.

    Args:
        name: under which it is registered.

    Raises:
        WireError: it is no such request, or the new key did not sign it.
    """
    try:
        asked = json.loads(content)
        if asked == {"what": LEAVE}:
            return Wish(LEAVE)
        if asked["what"] != REKEY or len(asked["key"]) > 1024:
            raise ValueError
        key = " ".join(asked["key"].split()[:2])
        public = load_ssh_public_key(key.encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise ValueError
        public.verify(base64.b64decode(asked["proof"], validate=True), _text(name, key), ec.ECDSA(hashes.SHA384()))
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm, binascii.Error, InvalidSignature):
        raise WireError("this is no request to leave, nor to be known by a key that signed it") from None
    return Wish(REKEY, key)


def _text(name: str, key: str) -> bytes:
    return f"FedGraft new key, format 1\n{name}\n{key}\n".encode()

"""Keys of a site in a run: agreement by X25519 (RFC 7748), derivation by HKDF-SHA256 (RFC 5869), sealing by
ChaCha20-Poly1305 (RFC 8439), and a site's signature by the key that the coordinator registered (ECDSA on P-384).

Keys and seeds are 32 bytes of the operating system's randomness, never from a plan's seed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from fedgraft.common.errors import SecureError

KEY_BYTES = 32
TAG_BYTES = 16
"""By which what is sealed is longer than what it holds."""
_SHA256 = hashes.SHA256()
_SIGNED = b"fedgraft secure aggregation 1"


def new_secret() -> bytes:
    """A private key, or a seed."""
    return os.urandom(KEY_BYTES)


def public_of(private: bytes) -> bytes:
    """The public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agreed(private: bytes, publics: Sequence[bytes]) -> list[bytes]:
    """The secret that is shared with the holder of each public key.

    Raises:
        SecureError: a public key is none, or one of those with which every secret would be the same.
    """
    own = X25519PrivateKey.from_private_bytes(private)
    try:
        return [own.exchange(X25519PublicKey.from_public_bytes(public)) for public in publics]
    except ValueError:
        raise SecureError("a public key of another site is not usable") from None


def derived(secret: bytes, about: bytes) -> bytes:
    """A key of its own for each purpose, told apart by ``about``, from an agreed secret."""
    return HKDF(_SHA256, KEY_BYTES, None, about).derive(secret)


def sealed(key: bytes, number: int, content: bytes, about: bytes) -> bytes:
    """Encrypt and authenticate; ``number`` may be used once for each key, and ``about`` is authenticated and not in the
    result."""
    return ChaCha20Poly1305(key).encrypt(number.to_bytes(12, "big"), content, about)


def opened(key: bytes, number: int, content: bytes, about: bytes) -> bytes:
    """The reverse of `sealed`.

    Raises:
        SecureError: it was not sealed by this key, or about this.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(number.to_bytes(12, "big"), content, about)
    except InvalidTag:
        raise SecureError(
            "what another site sealed for this one was changed on the way, or is of another round"
        ) from None


def signed(key: ec.EllipticCurvePrivateKey, run: str, name: str, public: bytes) -> bytes:
    """A site's signature under its public key for a run."""
    return key.sign(_statement(run, name, public), ec.ECDSA(hashes.SHA384()))


@lru_cache(maxsize=4096)
def is_signed(registered: bytes, signature: bytes, run: str, name: str, public: bytes) -> bool:
    """Whether a site's public key for a run was signed by a registered one.

    Args:
        registered: a public key in OpenSSH's format, ``ecdsa-sha2-nistp384 AAAA...``.
    """
    try:
        key = load_ssh_public_key(registered)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, _statement(run, name, public), ec.ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _statement(run: str, name: str, public: bytes) -> bytes:
    words = (_SIGNED, run.encode(), name.encode(), public)
    return b"".join(len(word).to_bytes(4, "big") + word for word in words)

"""An OpenSSH public key: its fingerprint, which both sides print, to be compared by telephone; and as PEM."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from fedgraft.common.errors import DeploymentError


def key_fingerprint(public_key: Path) -> str:
    """The SHA-256 fingerprint as ``ssh-keygen -lf`` prints it.

    Raises:
        DeploymentError: the file is missing or is no EC public key.
    """
    if not public_key.is_file():
        raise DeploymentError(f"key {public_key} does not exist; the site sends the .pub file of its key")
    content = public_key.read_bytes()
    if b"PRIVATE KEY" in content:
        raise DeploymentError(f"{public_key} is a private key and must not leave its site; ask for the .pub file")
    try:
        usable = isinstance(load_ssh_public_key(content), ec.EllipticCurvePublicKey)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DeploymentError(f"key {public_key} is not an OpenSSH public key: {error}") from error
    if not usable:
        raise DeploymentError(f"key {public_key} is no EC key; `fedgraft site keygen` makes the right kind")
    return fingerprint(content)


def fingerprint(public: bytes) -> str:
    """The SHA-256 fingerprint of a public key in OpenSSH's format."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_pem(public: bytes) -> bytes:
    """The key in PEM (SubjectPublicKeyInfo), as a SuperLink takes it.

    Raises:
        ValueError: ``public`` is no key in OpenSSH's format.
    """
    return load_ssh_public_key(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

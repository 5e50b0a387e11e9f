"""The key pair by which the coordinator authenticates a site (Flower's SuperNode authentication).

An EC key on NIST P-384 in OpenSSH's format, as ``ssh-keygen -t ecdsa -b 384`` makes it. The private key stays at the
site; the coordinator registers the public key.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import write_private


def public_path(private: Path) -> Path:
    """The public key's path: that of the private key with ``.pub`` added, as ssh-keygen does."""
    return private.with_name(private.name + ".pub")


def make_key_pair(private: Path, comment: str) -> Path:
    """Write a new key pair (the private key readable by its owner only) and return the public key's path.

    Raises:
        DeploymentError: one of the two files exists; a site that changes its key must be registered again.
    """
    public = public_path(private)
    for path in (private, public):
        if path.exists():
            raise DeploymentError(
                f"{path} exists and is not overwritten; for a new key remove both halves first, and have the "
                "coordinator register it again"
            )
    key = ec.generate_private_key(ec.SECP384R1())
    write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    public.write_bytes(line + b" " + comment.encode() + b"\n")
    return public


def check_private_key(path: Path) -> None:
    """Check that SuperNode authentication will accept this file.

    Raises:
        DeploymentError: it is missing, readable by others, or no EC key in OpenSSH's format.
    """
    if not path.is_file():
        raise DeploymentError(f"key {path} does not exist; `fedgraft site keygen` makes it")
    if path.stat().st_mode & 0o077:
        raise DeploymentError(f"key {path} can be read by other accounts; run `chmod 600` on it")
    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DeploymentError(f"key {path} is not an OpenSSH private key without passphrase: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DeploymentError(f"key {path} is no EC key; `fedgraft site keygen` makes the kind that is needed")

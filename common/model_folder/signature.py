"""``signature``: that a coordinator released a model folder. It signs ``digests.json``, and so every file.

An ECDSA signature (FIPS 186-5) with SHA-384 by the key of the coordinator's certificate authority, whose certificate
every site was given. What is signed begins with words of its own, so that it can't be taken for a certificate.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fedgraft.common.errors import DeploymentError, ModelError
from fedgraft.common.model_folder.digests import DIGESTS, SIGNATURE

_WHAT = b"FedGraft released this model folder, format 1\n"


def sign(folder: Path, key: Path) -> None:
    """Write the signature of a model folder.

    Args:
        key: the authority's private key, PEM.

    Raises:
        DeploymentError: it is no EC key.
    """
    private = load_pem_private_key(key.read_bytes(), None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise DeploymentError(f"{key} does not hold the EC key that `fedgraft coordinator init` wrote")
    made = private.sign(_WHAT + (folder / DIGESTS).read_bytes(), ec.ECDSA(hashes.SHA384()))
    (folder / SIGNATURE).write_bytes(base64.b64encode(made) + b"\n")


def check_signature(folder: Path, authority: Path) -> None:
    """Check that the authority of a certificate signed ``digests.json``; the other files are
    `fedgraft.common.model_folder.digests.verify`'s.

    Raises:
        DeploymentError: the certificate can't be read.
        ModelError: it did not.
    """
    try:
        public = x509.load_pem_x509_certificate(authority.read_bytes()).public_key()
    except (OSError, ValueError) as error:
        raise DeploymentError(f"{authority} can't be read as the coordinator's ca.crt: {error}") from error
    try:
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise InvalidSignature
        made = base64.b64decode((folder / SIGNATURE).read_bytes().strip(), validate=True)
        public.verify(made, _WHAT + (folder / DIGESTS).read_bytes(), ec.ECDSA(hashes.SHA384()))
    except (OSError, binascii.Error, InvalidSignature):
        raise ModelError(
            f"{DIGESTS} is not signed by the coordinator that {authority} vouches for; nothing was taken"
        ) from None

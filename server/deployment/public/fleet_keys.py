"""Which registered site signed a call of Flower's Fleet API, told from its headers alone, before its body is read.

Flower's own check (``flwr/superlink/routers/fleet/node_auth.py``) comes after it has received and parsed the whole
body. It follows here all the same, and compares the key with the node that the body names, too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from fedgraft.common.runtime.ssh_keys import fingerprint
from fedgraft.server.deployment.folder import Folder, read_sites

KEY, TIME, SIGNATURE = b"flwr-public-key", b"flwr-timestamp", b"flwr-signature"
"""The key as PEM in base64, an ISO 8601 time, and its signature (ECDSA with SHA-256) in base64."""
AHEAD_SECONDS, BEHIND_SECONDS = 5.0, 305.0
"""By how much a site's clock may differ; Flower's ``SYSTEM_TIME_TOLERANCE``, and that and ``TIMESTAMP_TOLERANCE``."""
_MOST = 1024


def fleet_signer(headers: Sequence[tuple[bytes, bytes]], now: datetime) -> str | None:
    """The fingerprint of the key that signed a Fleet call; ``None`` if nobody did, or not about now."""
    known = {name.lower(): value for name, value in headers}
    key, stamp, made = (known.get(name, b"") for name in (KEY, TIME, SIGNATURE))
    if max(map(len, (key, stamp, made))) > _MOST:
        return None
    try:
        age = (now - datetime.fromisoformat(stamp.decode("ascii"))).total_seconds()
        public = load_pem_public_key(base64.b64decode(key, validate=True))
        if not -AHEAD_SECONDS < age < BEHIND_SECONDS or not isinstance(public, ec.EllipticCurvePublicKey):
            return None
        public.verify(base64.b64decode(made, validate=True), stamp, ec.ECDSA(hashes.SHA256()))
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, binascii.Error, InvalidSignature):
        return None
    return fingerprint(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))


@dataclass(frozen=True)
class Keyring:
    """The keys of registered sites, as the coordinator's folder has them now."""

    folder: Folder

    def holder(self, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
        """The fingerprint of the registered key that signed a Fleet call, if one did."""
        who = fleet_signer(headers, datetime.now(UTC))
        return who if who in {site.fingerprint for site in read_sites(self.folder)} else None

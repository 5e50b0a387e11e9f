"""A consent receipt: who said yes to which plan, over which data, for what, and until when; signed by the site's key.

Fields after Kantara's Consent Receipt 1.1 and ISO/IEC TS 27560:2023, as far as they make sense between a hospital and a
consortium. The site and the coordinator both keep it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from fedgraft.client.account.secret import secret_of
from fedgraft.client.cohort.at_a_glance import glance
from fedgraft.client.site.keys import public_path
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.wire.site_facts import CASES_FIGURES, rounded

SIGNATURE = "signature"
DEFAULT_PURPOSE = "training the model of this plan together with the other sites"


def receipt_of(site: SiteFile, plan: str, by: str, purposes: tuple[str, ...], until: date | None) -> dict[str, Any]:
    """A new receipt, as plain values; signed if the site has a key.

    The data are named by a keyed digest of the manifest, which tells nothing to who does not have the site's secret,
    and by the number of its lines to two figures.

    Args:
        plan: its digest.

    Raises:
        DataError: the manifest can't be read.
    """
    manifest = secret_of(site.state).mark("manifest", site.manifest.read_bytes().hex()).hex()
    content: dict[str, Any] = {
        "site": site.name,
        "plan": plan,
        "by": by,
        "purposes": list(purposes) or [DEFAULT_PURPOSE],
        "cases": rounded(glance(site.manifest).lines, CASES_FIGURES),
        "manifest": manifest,
        "until": None if until is None else until.isoformat(),
    }
    key = None if site.coordinator is None else site.coordinator.key
    return content if key is None or not key.is_file() else {**content, **_signed(content, key)}


def is_signed(receipt: Mapping[str, Any]) -> bool:
    """Whether a receipt's signature is that of the key that it names."""
    try:
        public = load_ssh_public_key(str(receipt["key"]).encode())
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        made = base64.b64decode(str(receipt[SIGNATURE]), validate=True)
        public.verify(made, _text(receipt), ec.ECDSA(hashes.SHA384()))
    except (KeyError, ValueError, UnsupportedAlgorithm, binascii.Error, InvalidSignature):
        return False
    return True


def _signed(content: Mapping[str, Any], key: Path) -> dict[str, Any]:
    private = load_ssh_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "checked by fedgraft.client.site.keys"
    named = {"key": " ".join(public_path(key).read_text(encoding="ascii").split()[:2])}
    made = private.sign(_text({**content, **named}), ec.ECDSA(hashes.SHA384()))
    return {**named, SIGNATURE: base64.b64encode(made).decode()}


def _text(receipt: Mapping[str, Any]) -> bytes:
    content = {name: value for name, value in receipt.items() if name != SIGNATURE}
    return f"FedGraft consent receipt, format 1\n{json.dumps(content, sort_keys=True)}\n".encode()

"""An invitation to a federation: the one line that a coordinator gives a hospital, in the place of any file.

    fedgraft:north@fl.example.org:8443/AUTHORITY/SECRET/20261201T0113Z

It names the site and the coordinator's address. AUTHORITY is the SHA-256 of the coordinator's certificate authority, by
which the site knows whom it has reached; SECRET works once. Both are base64url without padding (RFC 4648, section 5).
No character of it means anything to a shell.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fedgraft.common.errors import DeploymentError

JOIN_PATH, AUTHORITY_PATH = "/join", "/authority"
"""Where the gateway takes applications, and gives its authority's certificate to whoever asks."""
NO_SUCH_INVITATION = 404
"""The status that answers an application whose name and secret no invitation has: no key was noted for it."""
_STAMP = "%Y%m%dT%H%MZ"
_LINE = re.compile(
    r"fedgraft:(?P<name>[\w-]{1,64})@(?P<address>[^\s/@]+:\d+)/(?P<authority>[\w-]{43})/"
    r"(?P<secret>[\w-]{22})/(?P<until>\d{8}T\d{4}Z)",
    re.ASCII,
)


@dataclass(frozen=True)
class Invitation:
    """What the line says.

    Attributes:
        name: of the site.
        address: ``host:port`` of the coordinator.
        authority: `authority_digest` of its certificate authority.
        secret: 128 random bits.
        until: when it ends, in whole minutes, as seconds since 1970.
    """

    name: str
    address: str
    authority: str
    secret: str
    until: int

    def __str__(self) -> str:
        stamp = datetime.fromtimestamp(self.until, UTC).strftime(_STAMP)
        return f"fedgraft:{self.name}@{self.address}/{self.authority}/{self.secret}/{stamp}"

    @classmethod
    def read(cls, line: str) -> Invitation:
        """The invitation that a line is.

        Raises:
            DeploymentError: it is none, or is cut off.
        """
        found = _LINE.fullmatch("".join(line.split()))  # a mail may have broken it into two lines
        try:
            if found is None:
                raise ValueError
            until = datetime.strptime(found["until"], _STAMP).replace(tzinfo=UTC)
        except ValueError:
            raise DeploymentError(
                "this is no whole invitation: give the line that `fedgraft coordinator invite` printed, from "
                "`fedgraft:` to the Z at its end"
            ) from None
        return cls(found["name"], found["address"], found["authority"], found["secret"], int(until.timestamp()))


def authority_digest(certificate: bytes) -> str:
    """The SHA-256 of a certificate in PEM, over its DER encoding.

    Raises:
        ValueError: it is no certificate.
    """
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

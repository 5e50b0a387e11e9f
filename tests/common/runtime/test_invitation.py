"""The line of an invitation: read as it was written, and refused by name when it is not whole."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.invitation import Invitation, authority_digest
from fedgraft.server.deployment.pki import make_authority

DIGEST, SECRET = "A" * 42 + "_", "b" * 21 + "-"
LINE = f"fedgraft:north@fl.example.org:8443/{DIGEST}/{SECRET}/20261201T0113Z"


def test_the_line_says_what_it_should() -> None:
    found = Invitation.read(LINE)
    # 1 December 2026 is day 20,788 after 1 January 1970; 01:13 is 4,380 seconds later
    assert found == Invitation("north", "fl.example.org:8443", DIGEST, SECRET, 20788 * 86400 + 4380)
    assert str(found) == LINE


def test_a_line_that_a_mail_broke_is_read_and_an_ipv6_address_has_brackets() -> None:
    line = LINE.replace("fl.example.org", "[2001:db8::1]")
    assert Invitation.read(f" {line[:70]}\r\n  {line[70:]}\n") == Invitation.read(line)
    assert Invitation.read(line).address == "[2001:db8::1]:8443"


@pytest.mark.parametrize(
    "line",
    [
        *("", "north", LINE[:-1], LINE[9:], LINE + "x", LINE.replace("north", "no rth;"), LINE.replace("north", "nö")),
        *(LINE.replace(":8443", ""), LINE.replace("20261201", "20261301"), LINE.replace(SECRET, SECRET[1:])),
        *(LINE.replace("/A", "/+"), LINE.replace("20261201", "２０２６1201")),
    ],
)
def test_what_is_no_whole_invitation_is_refused(line: str) -> None:
    with pytest.raises(DeploymentError, match="no whole invitation: give the line that `fedgraft coordinator invite`"):
        Invitation.read(line)


def test_the_digest_is_the_certificates_sha_256(tmp_path: Path) -> None:
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    content = (tmp_path / "ca.crt").read_bytes()
    expected = x509.load_pem_x509_certificate(content).fingerprint(hashes.SHA256())
    assert base64.urlsafe_b64decode(authority_digest(content) + "=") == expected

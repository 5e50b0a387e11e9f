"""The coordinator's own certificate authority, and the server certificate of its public port.

Sites trust only this authority, whose ``ca.crt`` they are given, and no public one. The authority is valid for five
years; the server certificate for 397 days, and `issue_server_certificate` renews it without any change at the sites.
X.509 fields follow RFC 5280 (sections 4.2.1.1 to 4.2.1.12).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import write_private

CA_LIFETIME = timedelta(days=5 * 365)
SERVER_LIFETIME = timedelta(days=397)
WARN_BEFORE = timedelta(days=30)
CLOCK_SKEW = timedelta(hours=1)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Validity:
    """Until when a certificate is valid. ``state`` is ``ok``, ``expiring`` or ``expired``."""

    state: str
    not_after: datetime
    sentence: str


def make_authority(certificate: Path, key: Path) -> None:
    """Write a new authority: a self-signed certificate and its private key (0600). Never overwrites."""
    private = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "FedGraft coordinator CA")])
    built = (
        _builder(name, name, private.public_key(), CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA384())
    )
    write_private(key, _private_pem(private))
    certificate.write_bytes(built.public_bytes(Encoding.PEM))


def issue_server_certificate(
    authority: Path, authority_key: Path, certificate: Path, key: Path, hosts: Sequence[str]
) -> None:
    """Write a server certificate and its key for ``hosts`` (names or addresses) and loopback; replaces earlier ones.

    Raises:
        DeploymentError: no host is given, or one is neither a DNS name nor an IP address.
    """
    if not hosts:
        raise DeploymentError("--host: name at least one host name or IP address by which sites reach this machine")
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    issuer_key = load_pem_private_key(authority_key.read_bytes(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise DeploymentError(f"{authority_key} does not hold the EC key that `fedgraft coordinator init` wrote")
    private = ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "FedGraft coordinator")])
    names = [alternative_name(host) for host in dict.fromkeys((*hosts, *LOOPBACK))]
    built = (
        _builder(subject, issuer.subject, private.public_key(), SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA384())
    )
    key.unlink(missing_ok=True)
    write_private(key, _private_pem(private))
    certificate.write_bytes(built.public_bytes(Encoding.PEM))


def alternative_name(host: str) -> x509.GeneralName:
    """A host as a subject alternative name (RFC 5280, section 4.2.1.6).

    Raises:
        DeploymentError: it is neither a DNS name nor an IP address.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    labels = host.rstrip(".").split(".")
    if len(host) > 253 or not all(_is_label(label) for label in labels):
        raise DeploymentError(f"--host {host!r} is neither a DNS name nor an IP address (give no https:// and no port)")
    return x509.DNSName(host.rstrip("."))


def validity(certificate: Path, now: datetime | None = None) -> Validity:
    """Whether a certificate is still valid, with a sentence that says what to do."""
    until = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    left = until - (datetime.now(UTC) if now is None else now)
    day = until.date().isoformat()
    if left <= timedelta(0):
        return Validity("expired", until, f"{certificate} expired on {day}; run `fedgraft coordinator renew`")
    if left < WARN_BEFORE:
        sentence = f"{certificate} expires on {day} ({left.days} days left); run `fedgraft coordinator renew`"
        return Validity("expiring", until, sentence)
    return Validity("ok", until, f"{certificate} holds until {day}")


def _is_label(label: str) -> bool:
    inner = label.replace("-", "")
    return 0 < len(label) <= 63 and label[0] != "-" and label[-1] != "-" and inner.isascii() and inner.isalnum()


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

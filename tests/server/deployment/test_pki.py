"""The certificate authority: what a site's TLS library will check, and the sentences about expiry."""

import ipaddress
import socket
import ssl
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.pki import issue_server_certificate, make_authority, validity


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    return tmp_path / "ca.crt", tmp_path / "ca.key"


def issue(authority: tuple[Path, Path], *hosts: str) -> tuple[Path, Path]:
    certificate, key = authority[0].with_name("server.crt"), authority[0].with_name("server.key")
    issue_server_certificate(*authority, certificate, key, hosts)
    return certificate, key


def handshake(ca: Path, server: tuple[Path, Path], name: str) -> str:
    """One TLS handshake over a socket pair; returns the protocol version."""
    left, right = socket.socketpair()
    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(*server)

    def serve() -> None:
        try:
            accepting.wrap_socket(left, server_side=True).close()
        except OSError:
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ssl.create_default_context(cafile=str(ca)).wrap_socket(right, server_hostname=name) as connection:
            return str(connection.version())
    finally:
        right.close()
        thread.join()


def test_certificate_holds_for_its_hosts_and_loopback(authority: tuple[Path, Path]) -> None:
    server = issue(authority, "fl.example.org", "192.0.2.7")
    for name in ("fl.example.org", "192.0.2.7", "localhost", "127.0.0.1"):
        assert handshake(authority[0], server, name) == "TLSv1.3"


def test_other_name_and_other_authority_are_refused(authority: tuple[Path, Path], tmp_path: Path) -> None:
    server = issue(authority, "fl.example.org")
    make_authority(tmp_path / "other.crt", tmp_path / "other.key")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(authority[0], server, "evil.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed|unable to get local issuer|signature"):
        handshake(tmp_path / "other.crt", server, "fl.example.org")


def test_keys_are_private_and_names_have_their_kind(authority: tuple[Path, Path]) -> None:
    certificate, key = issue(authority, "fl.example.org", "2001:db8::1")
    for path in (key, authority[1]):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["fl.example.org", "localhost"]
    assert ipaddress.ip_address("2001:db8::1") in names.get_values_for_type(x509.IPAddress)
    assert not read.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_expiry_is_said_in_time(authority: tuple[Path, Path]) -> None:
    certificate, _ = issue(authority, "fl.example.org")
    until = validity(certificate).not_after
    assert validity(certificate).state == "ok"
    soon = validity(certificate, until - timedelta(days=3))
    assert (soon.state, "3 days left" in soon.sentence, "renew" in soon.sentence) == ("expiring", True, True)
    assert validity(certificate, until).state == "expired"


def test_renewal_replaces_the_certificate_and_keeps_the_authority(authority: tuple[Path, Path]) -> None:
    before = issue(authority, "fl.example.org")[0].read_bytes()
    after = issue(authority, "fl.example.org")
    assert after[0].read_bytes() != before
    assert handshake(authority[0], after, "fl.example.org")


@pytest.mark.parametrize("host", ["https://fl.example.org", "fl.example.org:8443", "a b", "", "-x.org", "x..org"])
def test_a_host_that_is_no_name_is_named(authority: tuple[Path, Path], host: str) -> None:
    with pytest.raises(DeploymentError, match=r"--host .* neither a DNS name nor an IP address"):
        issue(authority, host)


def test_no_host_is_an_error(authority: tuple[Path, Path]) -> None:
    with pytest.raises(DeploymentError, match="at least one host"):
        issue(authority)

"""Through a proxy, as the environment names it; a proxy that does not answer is named."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fedgraft.client.deployment.connection import reach
from fedgraft.client.deployment.proxy import Proxy, proxy_for, proxy_to, through
from fedgraft.client.site.site_file import Coordinator, NamedProxy, SiteFile, read_site_file, write_site_file
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.flower import quiet_environment
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment import pki
from fedgraft.server.deployment.pki import make_authority

from .test_supervisor import served

NAMES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("HTTPS_PROXY", "http://proxy.example.org:3128", Proxy("http", "proxy.example.org", 3128, "HTTPS_PROXY", {})),
        ("https_proxy", "proxy.example.org:3128", Proxy("http", "proxy.example.org", 3128, "https_proxy", {})),
        (
            "ALL_PROXY",
            "http://aladdin:open%20sesame@p:80",  # RFC 7617, section 2
            Proxy("http", "p", 80, "ALL_PROXY", {"Proxy-Authorization": "Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ=="}),
        ),
        ("HTTP_PROXY", "http://p:80", None),
    ],
)
def test_the_environment_names_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, found: Proxy | None
) -> None:
    monkeypatch.setenv(variable, value)
    assert proxy_for("fl.example.org") == found
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert proxy_for("fl.example.org") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "127.0.0.1"),
        ({"NO_PROXY": "a.org"}, "a.org,127.0.0.1"),
        ({"no_proxy": "b", "NO_PROXY": "a"}, "b,127.0.0.1"),
    ],
)
def test_this_machine_is_reached_without_a_proxy(before: dict[str, str], after: str) -> None:
    environment = quiet_environment({"HTTP_PROXY": "http://p:80", **before})
    assert (environment["NO_PROXY"], environment["no_proxy"]) == (after, after)


def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with served(tmp_path) as (port, ca):
        coordinator = Coordinator(f"localhost:{port}", ca, tmp_path / "no.key")
        dead = free_port()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{dead}")
        refused = reach(coordinator)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
            monkeypatch.setattr("fedgraft.client.deployment.connection.CONNECT_SECONDS", 0.2)
            unanswered = reach(coordinator)
        monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
        socks = reach(coordinator)
    assert refused.sentence == f"the proxy at 127.0.0.1:{dead} from HTTPS_PROXY does not answer (Connection refused)"
    assert not refused.lasting
    assert "can't be reached through the proxy at 127.0.0.1:" in unanswered.sentence
    assert "from HTTPS_PROXY (no answer in time)" in unanswered.sentence
    assert socks.lasting
    assert socks.sentence == "HTTPS_PROXY names a proxy that can't be used here (socks5); an http:// proxy can"


@pytest.fixture
def open_proxy(tmp_path: Path) -> Iterator[int]:
    """The port of a real proxy."""
    yield from running(tmp_path)


@pytest.fixture
def asking_proxy(tmp_path: Path) -> Iterator[int]:
    """The port of a real proxy that asks for a user and a password."""
    yield from running(tmp_path, "--basic-auth", "aladdin:sesame-open")


def running(tmp_path: Path, *more: str) -> Iterator[int]:
    written = tmp_path / "proxy.port"
    words = ("--hostname", "127.0.0.1", "--port", "0", "--port-file", str(written), "--num-workers", "1", *more)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "proxy", *words, "--num-acceptors", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (written.is_file() and written.read_text().strip()):
        assert process.poll() is None, "the proxy ended"
        time.sleep(0.02)
    yield int(written.read_text())
    process.terminate()
    process.wait()


def test_the_coordinator_is_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, open_proxy: int
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{open_proxy}")
    with served(tmp_path) as (port, ca):
        found = reach(Coordinator(f"localhost:{port}", ca, tmp_path / "no.key"))
    assert (found.ok, found.sentence) == (True, f"the coordinator at localhost:{port} answers")
    gone = reach(Coordinator(f"localhost:{port}", ca, tmp_path / "no.key"))
    assert gone.sentence.startswith(f"the coordinator at localhost:{port} can't be reached through the proxy at 127.0")
    assert "from HTTPS_PROXY (502 Bad Gateway)" in gone.sentence


def test_the_proxy_of_the_site_s_own_file_gets_its_user_and_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asking_proxy: int
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost")
    secret = tmp_path / "proxy.password"
    named = NamedProxy(f"127.0.0.1:{asking_proxy}", "aladdin", secret)
    with served(tmp_path) as (port, ca):
        coordinator = Coordinator(f"localhost:{port}", ca, tmp_path / "no.key", named)
        assert reach(coordinator).sentence.startswith(f"coordinator.proxy.password {secret} does not exist; write the")
        secret.write_text("sesame-open\n")
        secret.chmod(0o644)
        assert "can be read by other accounts; run `chmod 600` on it" in reach(coordinator).sentence
        secret.chmod(0o600)
        assert reach(coordinator).ok
        silent = reach(replace(coordinator, proxy=replace(named, user=None)))
    assert f"through the proxy at 127.0.0.1:{asking_proxy} from coordinator.proxy in site.yaml (407: it asks" in (
        silent.sentence
    )
    assert not silent.lasting, "somebody may change that at the proxy"


def test_flower_s_program_gets_the_same_proxy_and_no_other(tmp_path: Path) -> None:
    secret = tmp_path / "proxy.password"
    secret.write_text("a b/c")
    secret.chmod(0o600)
    before = {"PATH": "x", "HTTPS_PROXY": "http://other:1", "no_proxy": "h", "ALL_PROXY": "y"}
    coordinator = Coordinator("h:1", tmp_path, tmp_path, NamedProxy("http://p:3128", "me@clinic", secret))
    address = "http://me%40clinic:a%20b%2Fc@p:3128"
    assert through(coordinator, before) == {"PATH": "x", "HTTPS_PROXY": address, "https_proxy": address}
    assert through(replace(coordinator, proxy=None), before) == before
    assert "sesame" not in repr(proxy_to(replace(coordinator, proxy=NamedProxy("p:1", "sesame"))))


def test_a_site_file_names_the_proxy(tmp_path: Path) -> None:
    path, manifest = tmp_path / "site.yaml", tmp_path / "manifest.csv"
    coordinator = Coordinator("h:1", tmp_path / "ca.crt", tmp_path / "key", NamedProxy("p:3128", "fl", Path("secret")))
    write_site_file(path, SiteFile("north", manifest, tmp_path / "state", coordinator=coordinator))
    found = read_site_file(path).coordinator
    assert found is not None and found.proxy == NamedProxy("p:3128", "fl", tmp_path / "secret")
    path.write_text(path.read_text().replace("p:3128", "https://p:3128"))
    with pytest.raises(SiteFileError, match=r"coordinator\.proxy\.address"):
        read_site_file(path)


def test_a_proxy_that_opens_tls_is_named_by_who_issued_its_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_authority(tmp_path / "ours.crt", tmp_path / "ours.key")
    with monkeypatch.context() as other:
        other.setattr(x509, "NameAttribute", lambda oid, text, made=x509.NameAttribute: made(oid, "Clinic Web Gateway"))
        (tmp_path / "box").mkdir()
        opened = served(tmp_path / "box")
        port, _ = opened.__enter__()
    try:
        found = reach(Coordinator(f"localhost:{port}", tmp_path / "ours.crt", tmp_path / "no.key"))
    finally:
        opened.__exit__(None, None, None)
    assert found.lasting and found.sentence == (
        f"a proxy or firewall on the way opens TLS: the certificate that comes from localhost:{port} was issued by "
        "'Clinic Web Gateway', and not by the coordinator's own authority; have TLS to this address passed on unopened"
    )


@pytest.mark.parametrize(
    ("what", "days", "words"),
    [
        ("SERVER_LIFETIME", 12, "the coordinator's certificate ends in 11 days; `fedgraft coordinator renew` there"),
        ("CA_LIFETIME", 29, "ends in 28 days; ask for a new ca.crt"),
        ("SERVER_LIFETIME", 40, ""),
    ],
)
def test_a_certificate_that_ends_soon_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str, days: int, words: str
) -> None:
    monkeypatch.setattr(pki, what, timedelta(days=days))
    with served(tmp_path) as (port, ca):
        found = reach(Coordinator(f"localhost:{port}", ca, tmp_path / "no.key"))
    assert found.ok
    assert (words in found.expiring) if words else (found.expiring == "")

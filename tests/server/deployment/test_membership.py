"""A site that is known by another key from now on, or leaves; and a certificate that is renewed while sites are served.

In the place of Flower's own commands, which need a SuperLink, stands what writes the coordinator's list.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.audit.heads import say_heads
from fedgraft.client.audit.runs import note_run
from fedgraft.client.deployment.announcing import Announcer
from fedgraft.client.membership.asking import ask
from fedgraft.client.membership.rekey import rekey
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.site_file import Coordinator, SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError, WireError
from fedgraft.common.membership import leaving, rekeying, wish_of
from fedgraft.common.runtime.chained import Chain
from fedgraft.common.runtime.ssh_keys import fingerprint, key_fingerprint
from fedgraft.server.audit.heads import keep_heads
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, read_sites, renew, write_sites
from fedgraft.server.deployment.public.membership import LOG, Membership

from .front import gateway_of


def known_by(folder: Folder, name: str, key: str) -> RegisteredSite:
    (site,) = (one for one in read_sites(folder) if one.name == name)
    new = replace(site, fingerprint=fingerprint(key.encode()), node_id=f"{site.node_id}1")
    write_sites(folder, tuple(new if one == site else one for one in read_sites(folder)))
    return new


def removed(folder: Folder, name: str) -> RegisteredSite:
    (site,) = (one for one in read_sites(folder) if one.name == name)
    if site.cases == 13:
        raise DeploymentError("the coordinator is not running")
    write_sites(folder, tuple(one for one in read_sites(folder) if one != site))
    return site


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Folder, int]]:
    folder = create(tmp_path_factory.mktemp("members") / "coordinator", Settings(("localhost",)))
    with gateway_of(folder, membership=Membership(folder, replace=known_by, remove=removed)) as port:
        yield folder, port


@pytest.fixture
def site(coordinator: tuple[Folder, int], tmp_path: Path) -> SiteFile:
    folder, port = coordinator
    public = make_key_pair(tmp_path / "site.key", "north")
    write_sites(folder, (RegisteredSite("north", "1", key_fingerprint(public), 12),))
    (tmp_path / "manifest.csv").write_text("image,label,patient\na.png,x,p\n")
    reached = Coordinator(f"localhost:{port}", folder.authority, tmp_path / "site.key")
    site = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state", coordinator=reached)
    write_site_file(tmp_path / "site.yaml", site)
    return site


def of(site: SiteFile) -> Coordinator:
    assert site.coordinator is not None
    return site.coordinator


def test_a_new_key_takes_the_old_one_s_place(
    coordinator: tuple[Folder, int], site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, key = coordinator[0], tmp_path / "site.key"
    before, old = key.read_bytes(), key_fingerprint(tmp_path / "site.key.pub")
    assert main(["site", "rekey", "--site", str(tmp_path / "site.yaml")]) == 0
    new = key_fingerprint(tmp_path / "site.key.pub")
    assert f"by key {new} now, and no more by {old}" in capsys.readouterr().out
    assert key.read_bytes() != before and new != old and not list(tmp_path.glob("*.new*"))
    assert key.stat().st_mode & 0o077 == 0
    assert read_sites(folder) == (RegisteredSite("north", "11", new, 12),)
    assert Announcer(site, of(site)).announce() == 200
    (tmp_path / "old.key").write_bytes(before)
    assert not ask(of(site), leaving(), tmp_path / "old.key"), "nobody comes in by it"
    line = Chain(folder.root / LOG).read()[-1]
    assert (line["what"], line["site"], line["key"], line["new_key"]) == ("rekey", "north", old, new)


def test_cut_off_after_the_coordinator_knows_the_new_key_it_goes_on(site: SiteFile, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "site.key.new", "north")
    assert ask(of(site), rekeying("north", tmp_path / "site.key.new"), tmp_path / "site.key")
    old, new = rekey("north", of(site))
    assert new == key_fingerprint(tmp_path / "site.key.pub") != old
    assert Announcer(site, of(site)).announce() == 200


def test_who_is_registered_by_neither_key_is_told_so(
    coordinator: tuple[Folder, int], site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sites(coordinator[0], ())
    assert main(["site", "rekey", "--site", str(tmp_path / "site.yaml")]) == 2
    said = capsys.readouterr().err
    assert "knows neither the site's key nor the new one" in said and "or set this machine's clock by NTP" in said
    assert (tmp_path / "site.key.new").is_file()


def test_a_request_is_checked(site: SiteFile, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "a.key", "a")
    asked = json.loads(rekeying("north", tmp_path / "a.key"))
    assert wish_of(json.dumps(asked).encode(), "north").key == asked["key"]
    make_key_pair(tmp_path / "b.key", "b")
    other = json.loads(rekeying("north", tmp_path / "b.key"))
    for strange in ({**asked, "proof": other["proof"]}, {**asked, "what": "stay"}, {"what": "rekey"}, [], {}):
        with pytest.raises(WireError, match="no request to leave, nor to be known by a key that signed it"):
            wish_of(json.dumps(strange).encode(), "north")
    with pytest.raises(WireError):
        wish_of(rekeying("south", tmp_path / "a.key"), "north")
    with pytest.raises(DeploymentError, match="does not do it: this is no request to leave"):
        ask(of(site), b"{}", tmp_path / "site.key")


def test_a_site_leaves(
    coordinator: tuple[Folder, int], site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept := site.state / "store" / "kept" / "rows.bin").parent.mkdir(parents=True)
    kept.write_bytes(b"pixels")
    leave = ["site", "leave", "--by", "Dr. Grey", "--site", str(tmp_path / "site.yaml")]
    write_sites(coordinator[0], tuple(replace(one, cases=13) for one in read_sites(coordinator[0])))
    assert main(leave) == 1
    said = capsys.readouterr().out
    assert "removed 1 file(s), 6 bytes, kept of cases" in said and not kept.exists()
    assert "could not be told" in said and "coordinator unregister DIR north" in said
    write_sites(coordinator[0], tuple(replace(one, cases=None) for one in read_sites(coordinator[0])))
    assert main(leave) == 0
    assert "has unregistered this site" in capsys.readouterr().out and read_sites(coordinator[0]) == ()
    assert [line["what"] for line in Chain(site.state / "withdrawals.jsonl").read()] == ["left", "left"]
    assert main(leave) == 0
    assert "did not know this site any more" in capsys.readouterr().out


def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on(coordinator: tuple[Folder, int]) -> None:
    folder, port = coordinator
    context = ssl.create_default_context(cafile=str(folder.authority))

    def connect() -> ssl.SSLSocket:
        return context.wrap_socket(socket.create_connection(("localhost", port), 60), server_hostname="localhost")

    with connect() as first:
        shown = first.getpeercert(binary_form=True)
        folder.certificate_key.unlink()  # for a moment a half is missing
        renew(folder, folder.settings())
        deadline = time.monotonic() + 60
        while True:
            with connect() as later:
                if later.getpeercert(binary_form=True) != shown:
                    break
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.1)
        first.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert first.recv(100).startswith(b"HTTP/1.1 200")


def test_a_site_asks_what_was_kept_of_its_logs_and_gets_no_other_s(
    coordinator: tuple[Folder, int], site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = coordinator[0]
    audit = ["site", "audit", "--ask", "--site", str(tmp_path / "site.yaml")]
    assert main(audit) == 2
    assert "has kept no statement about this site's logs yet" in capsys.readouterr().err
    note_run(site.state, 1, "ab" * 32)
    said = say_heads(site)
    assert keep_heads(folder, "north", said) and keep_heads(folder, "south", replace(said, of="south", signature=""))
    assert main(audit) == 0
    assert f"compared with what the coordinator kept at {said.time}" in capsys.readouterr().out
    (site.state / "runs.jsonl").unlink()
    (site.state / "heads.jsonl").unlink()
    assert main(audit) == 1
    assert "runs.jsonl was cut off behind line 0: the statement of" in capsys.readouterr().out
    write_sites(folder, ())
    assert main(audit) == 2
    assert "gives no /sites/heads: heads of logs are for registered sites" in capsys.readouterr().err

"""`fedgraft site join`: what it refuses, and that nothing is sent to who is not the coordinator that invited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.cli import main
from fedgraft.common.runtime.invitation import Invitation
from fedgraft.common.runtime.processes import free_port
from fedgraft.server.deployment.folder import Folder, Settings, create
from fedgraft.server.deployment.invitations import invite, read_invitations

from ...server.deployment.front import gateway_of

HOUR = 3600.0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return create(tmp_path / "coordinator", Settings(("localhost",)))


@pytest.fixture
def invitation(folder: Folder) -> Iterator[Invitation]:
    with gateway_of(folder) as port:
        (one,) = invite(folder, ["north"], HOUR, 1_800_000_000.0, confirm=True)
        yield replace(one, address=f"localhost:{port}")


def refused(capsys: pytest.CaptureFixture[str], line: object, at: Path, *more: str) -> str:
    manifest = at / "manifest.csv"
    manifest.write_text("path,label,patient\n")
    arguments = ["--manifest", str(manifest), "--out", str(at / "site" / "site.yaml"), *more]
    assert main(["site", "join", str(line), *arguments]) == 2
    return capsys.readouterr().err


def test_a_line_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "this is no whole invitation" in refused(capsys, "fedgraft:north", tmp_path)


def test_another_coordinator_learns_nothing(
    invitation: Invitation, folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, replace(invitation, authority="A" * 43), tmp_path)
    assert "is not the coordinator that invited you (its authority is another); nothing was sent" in said
    assert not (tmp_path / "site").exists(), "neither key nor file"
    assert read_invitations(folder)["north"].key is None


def test_who_can_not_be_reached(invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = replace(invitation, address=f"localhost:{free_port()}")
    assert "can't be reached (Connection refused); it must be started" in refused(capsys, nobody, tmp_path)
    unknown = refused(capsys, replace(invitation, address="fl.nowhere.invalid:8443"), tmp_path)
    assert "the name fl.nowhere.invalid is not known to this machine's DNS; compare the line" in unknown
    assert "is not host:port" in refused(capsys, replace(invitation, address="localhost:99999"), tmp_path)


def test_an_address_that_the_certificate_does_not_name(
    invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(invitation, address=invitation.address.replace("localhost", "127.1"))
    assert "the coordinator's certificate is not made out to 127.1" in refused(capsys, other, tmp_path)


def test_a_secret_that_is_none_and_files_that_are_there(
    invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(invitation, secret="x" * 22)
    said = refused(capsys, wrong, tmp_path)
    assert "refuses: no invitation has this name and this secret: compare the line, letter by letter" in said
    place = tmp_path / "site"
    assert [path.name for path in place.iterdir()] == ["ca.crt"], "the key of a name that may be mistyped goes again"
    make_key_pair(place / "north.key", "north")
    refused(capsys, wrong, tmp_path)
    assert (place / "north.key").is_file(), "it was there before"
    (place / "ca.crt").write_text("another")
    assert "is the authority of another coordinator; give --out in a folder" in refused(capsys, invitation, tmp_path)


def begun(at: Path, name: str) -> Path:
    """A site file as `site init` makes it."""
    out = at / "site" / "site.yaml"
    manifest = str(at / "manifest.csv")
    assert main(["site", "init", "--name", name, "--manifest", manifest, "--out", str(out)]) == 0
    return out


def test_a_site_file_of_another_site_or_that_joined(
    invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = begun(tmp_path, "south")
    assert "is of site south, the invitation for north; give another --out" in refused(capsys, invitation, tmp_path)
    out.unlink()
    out = begun(tmp_path, "north")
    other = ["site", "join", str(invitation), "--out", str(out), "--manifest", str(tmp_path / "other.csv")]
    assert main(other) == 2
    assert "names another manifest than --manifest" in capsys.readouterr().err
    out.write_text(out.read_text().replace("coordinator.example.org:8443", invitation.address))
    said = refused(capsys, invitation, tmp_path)
    assert "names its coordinator already; if it joined, fedgraft site start" in said


def test_a_site_file_that_init_made_is_gone_on_with(
    invitation: Invitation, folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = begun(tmp_path, "north")
    before = out.read_text()
    ended = ["site", "join", str(replace(invitation, until=60)), "--out", str(out)]
    assert main(ended) == 2  # its key came to the coordinator, and nobody confirmed it
    assert read_invitations(folder)["north"].key is not None
    assert out.read_text() == before
    assert (out.parent / "north.key").is_file()
    assert "nobody confirmed this site's key" in capsys.readouterr().err


def test_a_manifest_that_is_not_there(
    invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "site.yaml")]
    assert main(["site", "join", str(invitation), "--manifest", str(tmp_path / "none.csv"), *out]) == 2
    assert "none.csv does not exist; `fedgraft site draft FOLDER` makes one" in capsys.readouterr().err
    assert main(["site", "join", str(invitation), *out]) == 2
    assert "--manifest FILE is needed" in capsys.readouterr().err


def test_nobody_confirms_in_time(invitation: Invitation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, replace(invitation, until=60), tmp_path)
    assert "nobody confirmed this site's key before the invitation ended" in said

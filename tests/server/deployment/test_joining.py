"""`coordinator invite` and `site join` over a real gateway: who gets in, who does not, and what each is told."""

from __future__ import annotations

import json
import ssl
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.invitation import JOIN_PATH, Invitation
from fedgraft.common.runtime.signed_requests import signed_headers
from fedgraft.common.runtime.ssh_keys import key_fingerprint
from fedgraft.server.deployment.folder import Folder, RegisteredSite, Settings, create, read_sites, write_sites
from fedgraft.server.deployment.invitations import Kept, invite, read_invitations, take_up, told
from fedgraft.server.deployment.public.gateway import APPLICATION_LIMIT_BYTES

from .front import gateway_of

NOW = 1_800_000_000.0
DAY = 86400.0


@dataclass
class Running:
    """A gateway before a SuperLink that registers nobody; and a key."""

    folder: Folder
    port: int
    key: Path

    def post(self, asked: Any, key: Path | None = None, signed: bytes | None = None) -> tuple[int, str]:
        content = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        headers = signed_headers(key or self.key, JOIN_PATH, time.time(), content if signed is None else signed)
        with httpx.Client(
            verify=ssl.create_default_context(cafile=str(self.folder.authority)), trust_env=False
        ) as client:
            answer = client.post(f"https://localhost:{self.port}{JOIN_PATH}", headers=headers, content=content)
        return answer.status_code, answer.text

    def invited(self, name: str, *, confirm: bool = True) -> Invitation:
        """An invitation to this gateway's own port."""
        (one,) = invite(self.folder, [name], DAY, time.time(), confirm=confirm)
        return Invitation(name, f"localhost:{self.port}", one.authority, one.secret, one.until)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    folder = create(tmp_path / "coordinator", Settings(("localhost",)))
    make_key_pair(tmp_path / "site.key", "north")
    with gateway_of(folder) as port:
        yield Running(folder, port, tmp_path / "site.key")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return create(tmp_path / "coordinator", Settings(("fl.example.org", "10.0.0.1"), 9443))


def registering(folder: Folder, found: Kept) -> RegisteredSite:
    """What Flower's command does, for tests without a SuperLink."""
    assert found.key is not None
    (folder.root / "x.pub").write_text(found.key)
    site = RegisteredSite(found.name, "7", key_fingerprint(folder.root / "x.pub"), found.cases)
    write_sites(folder, (*read_sites(folder), site))
    return site


def public_key(path: Path) -> str:
    return " ".join(make_key_pair(path, "x").read_text().split()[:2])


def test_a_line_for_each_name_and_no_secret_is_kept(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coordinator", "invite", str(folder.root), "north", "south", "--cases", "120"]) == 0
    lines = capsys.readouterr().out.splitlines()
    one, two = (Invitation.read(line) for line in lines[:2])
    assert (one.name, two.name, one.address) == ("north", "south", "fl.example.org:9443")
    assert one.secret != two.secret
    assert lines[2].startswith("each works once, until ")
    kept = folder.invitations_file.read_text()
    assert one.secret not in kept
    assert two.secret not in kept
    assert stat.S_IMODE(folder.invitations_file.stat().st_mode) == 0o600
    assert {name: each.cases for name, each in read_invitations(folder).items()} == {"north": 120, "south": 120}


def test_an_invitation_works_once_and_the_same_key_gets_the_same_answer(folder: Folder, tmp_path: Path) -> None:
    (one,) = invite(folder, ["north"], DAY, NOW, cases=50)
    mine, other = public_key(tmp_path / "a"), public_key(tmp_path / "b")
    site = take_up(folder, "north", one.secret, mine, NOW + 1, registering)
    assert site is not None
    assert (site.name, site.cases) == ("north", 50)
    assert take_up(folder, "north", one.secret, mine, NOW + 2 * DAY, registering) == site
    with pytest.raises(DeploymentError, match="used with another key; if that was not you, tell the coordinator"):
        take_up(folder, "north", one.secret, other, NOW + 2, registering)
    assert len(read_sites(folder)) == 1


def test_it_ends_after_its_time_and_with_the_next_one(folder: Folder, tmp_path: Path) -> None:
    (one,) = invite(folder, ["north"], DAY, NOW)
    assert one.until == NOW + DAY
    mine = public_key(tmp_path / "a")
    with pytest.raises(DeploymentError, match="this invitation has ended; ask the coordinator for a new one"):
        take_up(folder, "north", one.secret, mine, NOW + DAY + 1, registering)
    invite(folder, ["north"], DAY, NOW)
    with pytest.raises(DeploymentError, match="no invitation has this name and this secret: compare the line"):
        take_up(folder, "north", one.secret, mine, NOW + 1, registering)
    assert read_sites(folder) == ()


def test_what_keeps_the_coordinator_from_registering_is_not_told_to_the_site(
    folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one,) = invite(folder, ["north"], DAY, NOW)
    with pytest.raises(DeploymentError, match=r"^the coordinator can't register this key now; its own log says why$"):
        take_up(folder, "north", one.secret, public_key(tmp_path / "a"), NOW + 1)  # there is no SuperLink
    assert f"the invitation of north: the coordinator of {folder.root} is not running" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["no rth"], "'no rth' is no name of a site"),
        (["north", "north"], "one was given twice"),
        (["west"], "west is registered already; unregister it first to invite it anew"),
        (["north", "--hours", "0"], "--hours must be from a minute"),
        (["north", "--cases", "0"], "--cases 0 must be the hospital's number of training cases"),
        (["north", "--withdraw"], "there is no invitation for 'north'; there are: none"),
        (["north", "--withdraw", "--confirm"], "--withdraw takes lines back; leave out --hours, --cases and --confirm"),
    ],
)
def test_wrong_options(folder: Folder, capsys: pytest.CaptureFixture[str], options: list[str], words: str) -> None:
    write_sites(folder, (RegisteredSite("west", "1", "SHA256:x"),))
    assert main(["coordinator", "invite", str(folder.root), *options]) == 2
    assert words in capsys.readouterr().err
    assert read_invitations(folder) == {}


def test_a_withdrawn_one_is_gone(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    one, _ = running.invited("north"), running.invited("south")
    assert main(["coordinator", "invite", str(running.folder.root), "north", "--withdraw"]) == 0
    assert "the invitation of north is withdrawn" in capsys.readouterr().out
    assert running.post({"name": "north", "secret": one.secret})[0] == 404


def test_applications_that_are_none(running: Running) -> None:
    assert running.post({"name": "north", "secret": "x"}) == (403, "the coordinator has invited nobody")
    one = running.invited("north")
    asked = {"name": "north", "secret": one.secret}
    assert running.post(asked, signed=b"other") == (400, "the content is not what was signed")
    assert running.post(b"{}") == (400, "an application is a JSON object of name and secret")
    assert running.post({**asked, "secret": "x" * 22})[0] == 404
    assert running.post(b" " * (APPLICATION_LIMIT_BYTES + 1)) == (413, "the body is too large")
    with httpx.Client(
        verify=ssl.create_default_context(cafile=str(running.folder.authority)), trust_env=False
    ) as client:
        answer = client.post(f"https://localhost:{running.port}{JOIN_PATH}", json=asked)
    assert (answer.status_code, answer.text) == (401, "an application must be signed, by a clock that is right")
    assert read_invitations(running.folder)["north"].key is None, "nothing of these used it up"


def test_a_key_that_must_be_confirmed_waits_and_the_list_says_so(running: Running) -> None:
    one = running.invited("north")
    running.invited("south")
    assert running.post({"name": "north", "secret": one.secret}) == (202, "waiting")
    shown = key_fingerprint(running.key.with_name("site.key.pub"))
    north, south = told(running.folder, time.time())
    assert north == f"north: compare {shown} by telephone, then fedgraft coordinator confirm DIR north"
    assert south.startswith("south: invited, until ")
    assert told(running.folder, time.time() + 2 * DAY)[1] == "south: the invitation has ended, unused"


def test_confirming_what_never_came(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.invited("north")
    assert main(["coordinator", "confirm", str(running.folder.root), "north"]) == 2
    assert "no key has come for 'north'; waiting to be confirmed: none" in capsys.readouterr().err

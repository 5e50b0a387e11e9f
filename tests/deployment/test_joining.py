"""From an invitation's line to a connected site, over TLS: no file is carried, and a key can wait for a person."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fedgraft.server.deployment.folder import read_sites
from fedgraft.server.deployment.invitations import read_invitations

from .conftest import FEDGRAFT, Deployment

TABLE = "patient,age,label\n" + "".join(f"P{n},{40 + n % 30},{'ill' if n % 3 else 'well'}\n" for n in range(40))


def invitation(deployment: Deployment, *arguments: str) -> str:
    done = deployment.command("coordinator", "invite", str(deployment.folder.root), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_an_invited_hospital_joins_checks_and_connects(deployment: Deployment, tmp_path: Path) -> None:
    line = invitation(deployment, "joiner")
    (tmp_path / "rows.csv").write_text(TABLE)
    arguments = ["--manifest", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "site" / "site.yaml")]
    service = deployment.service(tmp_path / "join.log", "site", "join", line, *arguments)
    try:
        service.wait_for("connected to")
        said = service.said()
        assert "registered as joiner; wrote" in said
        assert "the coordinator at" in said, "the check ran"
        assert [site.name for site in read_sites(deployment.folder)].count("joiner") == 1
        shown = deployment.command("coordinator", "sites", str(deployment.folder.root)).stdout
        assert "joiner" in next(row for row in shown.splitlines() if "online" in row and "joiner" in row)
    finally:
        service.stop()
    again = deployment.command("site", "join", line, *arguments)
    assert again.returncode == 2
    assert "names its coordinator already; if it joined, fedgraft site start" in again.stderr


def test_a_key_is_registered_after_a_person_confirmed_it(deployment: Deployment, tmp_path: Path) -> None:
    line = invitation(deployment, "waiter", "--confirm", "--cases", "40")
    (tmp_path / "rows.csv").write_text(TABLE)
    arguments = ["--manifest", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "site.yaml"), "--no-start"]
    log = tmp_path / "join.log"
    with log.open("wb") as stream:
        joining = subprocess.Popen([*FEDGRAFT, "site", "join", line, *arguments], stdout=stream, stderr=stream)
    try:
        while "waiting for a person at the coordinator to confirm this key" not in log.read_text():
            assert joining.poll() is None, log.read_text()
        kept = read_invitations(deployment.folder)["waiter"]
        assert kept.key is not None
        assert not kept.confirmed
        done = deployment.command("coordinator", "confirm", str(deployment.folder.root), "waiter")
        assert done.returncode == 0, done.stderr
        assert joining.wait(120) == 0, log.read_text()
    finally:
        joining.kill()
        joining.wait()
    (site,) = (site for site in read_sites(deployment.folder) if site.name == "waiter")
    assert site.cases == 40
    assert site.fingerprint in log.read_text()
    assert f"next: fedgraft site start --site {tmp_path / 'site.yaml'}" in log.read_text()

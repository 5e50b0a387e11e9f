"""From an invitation's line to a connected site, over TLS: no file is carried, and a key can wait for a person."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.approval.receipt import is_signed
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.plan.plan import Plan
from fedgraft.server.deployment.folder import read_sites
from fedgraft.server.deployment.invitations import read_invitations

from .conftest import FEDGRAFT, Deployment

TABLE = "patient,age,label\n" + "".join(f"P{n},{40 + n % 30},{'ill' if n % 3 else 'well'}\n" for n in range(40))


def invitation(deployment: Deployment, *arguments: str) -> str:
    done = deployment.command("coordinator", "invite", str(deployment.folder.root), *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_an_invited_hospital_joins_checks_connects_and_says_yes(
    deployment: Deployment, table_plan: Callable[..., Plan], table_sites: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """From nothing to a model: `invite`, `join`, `run`, `approve`; the plan waits for the hospital's person."""
    (like,) = table_sites(1)
    manifest, site_yaml = like.parent / "manifest.csv", tmp_path / "site" / "site.yaml"
    line = invitation(deployment, "joiner")
    arguments = ["--manifest", str(manifest), "--out", str(site_yaml)]
    service = deployment.service(tmp_path / "join.log", "site", "join", line, *arguments)
    try:
        service.wait_for("connected to")
        said = service.said()
        assert "registered as joiner; wrote" in said
        assert "the coordinator at" in said, "the check ran"
        assert [site.name for site in read_sites(deployment.folder)].count("joiner") == 1
        shown = deployment.command("coordinator", "sites", str(deployment.folder.root)).stdout
        assert "joiner" in next(row for row in shown.splitlines() if "online" in row and "joiner" in row)
        plan, out = tmp_path / "plan.yaml", tmp_path / "run"
        words = ("rounds=1", "patience.quorum_sites=1", "patience.deadline=120", "decide.unseen=null")
        plan.write_text(yaml.safe_dump(table_plan(*words).to_dict()), encoding="utf-8")
        root = str(deployment.folder.root)
        run = deployment.service(
            tmp_path / "run.log", "coordinator", "run", root, "--plan", str(plan), "--out", str(out)
        )
        decisions = Decisions(read_site_file(site_yaml))
        while not decisions.pending():
            assert run.process.poll() is None, run.said()
            time.sleep(0.05)
        (digest,) = decisions.pending()
        done = deployment.command("site", "approve", digest[:12], "--by", "Dr A", "--site", str(site_yaml))
        assert done.returncode == 0, done.stderr
        assert run.process.wait(240) == 0, run.said()
        assert "waits until a person there has approved it: joiner" in run.said()
        receipt = json.loads((out / "receipts" / "joiner.json").read_text())
        assert is_signed(receipt)
        assert (receipt["by"], receipt["plan"]) == ("Dr A", digest)
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

"""From an invitation's line to a connected site, over TLS: no file is carried, and a key can wait for a person."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.approval.receipt import is_signed
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan
from fedgraft.server.deployment.folder import read_sites
from fedgraft.server.deployment.invitations import read_invitations

from .conftest import Deployment
from .environments import own_environment


def test_an_invited_hospital_joins_checks_connects_and_says_yes(
    deployment: Deployment,
    table_plan: Callable[..., Plan],
    table_sites: Callable[..., list[Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From nothing to a model: `invite`, `join`, `confirm`, `run`, `approve`. The key waits for the coordinator's
    person, the plan for the hospital's. The hospital has a virtual environment of its own."""
    python = own_environment(tmp_path / "environment")
    (like,) = table_sites(1)
    manifest, site_yaml = like.parent / "manifest.csv", tmp_path / "site" / "site.yaml"
    root = str(deployment.folder.root)
    assert main(["coordinator", "invite", root, "joiner", "--confirm", "--cases", "40"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    arguments = ["--manifest", str(manifest), "--out", str(site_yaml)]
    service = deployment.service(tmp_path / "join.log", "site", "join", line, *arguments, python=python)
    try:
        service.wait_for("waiting for a person at the coordinator to confirm this key")
        assert not read_invitations(deployment.folder)["joiner"].confirmed
        assert main(["coordinator", "confirm", root, "joiner"]) == 0
        service.wait_for("connected to")
        (site,) = (site for site in read_sites(deployment.folder) if site.name == "joiner")
        said = service.said()
        assert site.fingerprint in said
        assert site.cases == 40
        assert "registered as joiner; wrote" in said
        assert "the coordinator at" in said, "the check ran"
        plan, out = tmp_path / "plan.yaml", tmp_path / "run"
        words = ("rounds=1", "patience.quorum_sites=1", "patience.deadline=120", "decide.unseen=null")
        plan.write_text(yaml.safe_dump(table_plan(*words).to_dict()), encoding="utf-8")
        run = deployment.service(
            tmp_path / "run.log", "coordinator", "run", root, "--plan", str(plan), "--out", str(out)
        )
        decisions = Decisions(read_site_file(site_yaml))
        while not decisions.pending():
            assert run.process.poll() is None, run.said()
            time.sleep(0.05)
        (digest,) = decisions.pending()
        approve = ("site", "approve", digest[:12], "--by", "Dr A", "--site", str(site_yaml))
        assert deployment.command(*approve, python=python).returncode == 0
        assert run.process.wait(240) == 0, run.said()
        assert "waits until a person there has approved it: joiner" in run.said()
        receipt = json.loads((out / "receipts" / "joiner.json").read_text())
        assert is_signed(receipt)
        assert (receipt["by"], receipt["plan"]) == ("Dr A", digest)
    finally:
        service.stop()
    assert main(["coordinator", "unregister", root, "joiner"]) == 0
    assert "is no longer admitted" in capsys.readouterr().out
    assert main(["site", "join", line, *arguments]) == 2
    assert "names its coordinator already; if it joined, fedgraft site start" in capsys.readouterr().err

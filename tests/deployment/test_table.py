"""A table with federated statistics, between real processes over TLS, gives the weights of the run in one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.common.errors import DeploymentError
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.flower import executable
from fedgraft.server import app as server_app
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import CONNECTION
from fedgraft.simulations.engine.grid import InProcessGrid

from .conftest import Deployment, Service


def test_a_table_with_federated_statistics(
    deployment: Deployment,
    start_site: Callable[..., Service],
    table_plan: Callable[..., Plan],
    table_sites: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    """The run waits for its second hospital, which registers meanwhile. Then the coordinator's process of the run is
    killed in a round; the run goes on by itself."""
    plan = table_plan("patience.quorum_sites=2", "patience.deadline=120", "rounds=3", "decide.unseen=null")
    hospitals = table_sites(2)
    app = client_app.build(client_app.MessageHandler(Workspace(), hospitals))
    grid = InProcessGrid(app, [{"site-file": str(site)} for site in hospitals], {})
    expected = server_app.serve(grid, plan, tmp_path / "here", None, lambda round_: None).shared

    first, second = hospitals
    start_site(deployment.site_file(first.parent.name, first.parent / "manifest.csv"))
    asked, out = tmp_path / "asked.yaml", tmp_path / "deployed"
    asked.write_text(yaml.safe_dump(plan.to_dict()), encoding="utf-8")
    root = str(deployment.folder.root)
    begin = ("coordinator", "run", root, "--plan", str(asked), "--out", str(out), "--anyway")
    run = deployment.service(tmp_path / "run.log", *begin)
    _until(out / "waiting.json", run)
    waiting = json.loads((out / "waiting.json").read_text())
    assert (waiting["needed"], waiting["present"]) == ({"sites": 2, "cases": 0.0}, [first.parent.name])
    start_site(deployment.site_file(second.parent.name, second.parent / "manifest.csv"))
    rounds = out / "rounds.jsonl"
    _until(rounds, run)
    os.kill(int((out / "run.lock").read_text()), signal.SIGKILL)
    assert run.process.wait(240) == 0, run.said()

    assert not (out / "waiting.json").exists()
    assert "waiting: statistics of the table: 1 site(s) sent them, patience.quorum_sites=2 are needed" in run.said()
    assert "was cut off after round" in (deployment.scratch / "coordinator.log").read_text()
    assert "was cut off; it goes on as run" in run.said()
    assert "Traceback" not in run.said()
    found = safetensors.torch.load_file(out / "model" / "model.safetensors")
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=1e-5, atol=1e-6), name
    assert load_plan(out / "plan.yaml") == load_plan(tmp_path / "here" / "plan.yaml").for_hospitals()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["dropped"] == []
    # 0: fewer than the site's min_count
    assert {name: figures["quarantined"] for name, figures in summary["sites"].items()} == {
        site.parent.name: {"bad-value": 0} for site in hospitals
    }
    _orders_are_answered_as_the_command_is(deployment)


def _orders_are_answered_as_the_command_is(deployment: Deployment) -> None:
    """What we ask a SuperLink without the ``flwr`` command is what that tells of runs and nodes."""
    folder = deployment.folder

    def told(*words: str) -> dict[str, Any]:
        command = [executable("flwr"), *words, CONNECTION, "--format", "json"]
        done = subprocess.run(command, env=orders.environment(folder), capture_output=True, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    runs = [(run.run_id, run.status, run.details or "N/A", run.elapsed) for run in orders.run_states(folder)]
    listed = told("list")["runs"]
    assert runs == [(run["run-id"], run["status"], run["status-details"], f"{run['elapsed']:.0f} s") for run in listed]
    assert {run[1] for run in runs} >= {"finished:completed"} and len(runs) >= 2
    assert orders.run_state(folder, runs[-1][0]).status == runs[-1][1]
    assert orders.node_states(folder) == {
        str(node["node-id"]): node["status"] for node in told("supernode", "list")["nodes"]
    }
    with pytest.raises(DeploymentError, match=r"the SuperLink refused ListRuns: Run ID not found"):
        orders.run_state(folder, "1")
    with pytest.raises(DeploymentError, match=r"the SuperLink refused UnregisterNode: "):
        orders.unregister_node(folder, "1")


def _until(path: Path, run: Service) -> None:
    """Wait until a file is there and has content."""
    while not (path.is_file() and path.read_text()):
        assert run.process.poll() is None, run.said()
        time.sleep(0.05)

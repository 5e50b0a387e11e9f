"""Control the coordinator's own SuperLink through the ``flwr`` command and its JSON output.

The command line is Flower's public interface; its Python client is private. Each call starts a process and takes a
second or two.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import executable, quiet_environment
from fedgraft.server.deployment.folder import CONNECTION, Folder
from fedgraft.server.deployment.health import is_healthy

CALL_SECONDS = 120.0


@dataclass(frozen=True)
class FlowerRun:
    """The state of a run as Flower reports it; ``status`` is ``pending``, ``running``, ``finished:completed``, ..."""

    run_id: str
    status: str
    details: str
    elapsed: str

    @property
    def finished(self) -> bool:
        return self.status.startswith("finished")

    @property
    def completed(self) -> bool:
        return self.status == "finished:completed"


def environment(folder: Folder) -> dict[str, str]:
    """The environment for the ``flwr`` command; also writes the configuration that names our SuperLink."""
    settings = folder.settings()
    address = json.dumps(f"127.0.0.1:{settings.internal_port}")
    text = (
        f'[superlink]\ndefault = "{CONNECTION}"\n[superlink.{CONNECTION}]\n'
        f"address = {address}\nroot-certificates = {json.dumps(str(folder.authority))}\n"
    )
    folder.cli_home.mkdir(exist_ok=True)
    path = folder.cli_home / "config.toml"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return {**quiet_environment(os.environ), "FLWR_HOME": str(folder.cli_home), "NO_COLOR": "1"}


def require_running(folder: Folder) -> None:
    """Check that this folder's coordinator is running.

    Raises:
        DeploymentError: it does not answer.
    """
    if not is_healthy(folder, folder.settings().internal_port):
        raise DeploymentError(
            f"the coordinator of {folder.root} is not running; `fedgraft coordinator start` starts it"
        )


def call(folder: Folder, *arguments: str) -> dict[str, Any]:
    """Run ``flwr ARGUMENTS --format json`` and return its output.

    Raises:
        DeploymentError: the coordinator is not running, or Flower failed; the message quotes Flower's own.
    """
    require_running(folder)
    done = subprocess.run(
        [executable("flwr"), *arguments, "--format", "json"],
        env=environment(folder),
        cwd=folder.cli_home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    if done.returncode != 0 or not isinstance(answer, dict) or not answer.get("success"):
        text = answer.get("error-message") if isinstance(answer, dict) else None
        words = (text or done.stderr or done.stdout).strip()
        raise DeploymentError(f"`flwr {arguments[0]} {arguments[1]}` failed: {words}")
    return answer


def register_key(folder: Folder, public_key: Path, name: str) -> str:
    """Register a site's public key with the SuperLink; returns its node id."""
    answer = call(folder, "supernode", "register", str(public_key.resolve()), CONNECTION, "--name", name)
    return str(answer["node-id"])


def unregister_node(folder: Folder, node_id: str) -> None:
    """Unregister a site; if it is connected, its next call is refused."""
    call(folder, "supernode", "unregister", node_id, CONNECTION)


def node_states(folder: Folder) -> dict[str, str]:
    """``registered``, ``online``, ``offline`` or ``unregistered``, by node id."""
    nodes = call(folder, "supernode", "list", CONNECTION)["nodes"]
    return {str(node["node-id"]): str(node["status"]) for node in nodes}


def submit(folder: Folder, bundle: Path, run_config: Path) -> str:
    """Submit an app bundle; returns the run's id."""
    answer = call(folder, "run", str(bundle), CONNECTION, "--run-config", str(run_config))
    return str(answer["run-id"])


def run_state(folder: Folder, run_id: str) -> FlowerRun:
    """The state of one run.

    Raises:
        DeploymentError: there is no such run.
    """
    runs = call(folder, "list", CONNECTION, "--run-id", run_id)["runs"]
    return _state(runs[0])


def run_states(folder: Folder) -> tuple[FlowerRun, ...]:
    """The states of all runs in the SuperLink's database, latest first."""
    return tuple(_state(run) for run in call(folder, "list", CONNECTION)["runs"])


def stop_run(folder: Folder, run_id: str) -> None:
    """Stop a run at the coordinator; a site that is computing finishes its message first."""
    call(folder, "stop", run_id, CONNECTION)


def _state(run: dict[str, Any]) -> FlowerRun:
    return FlowerRun(
        run_id=str(run["run-id"]),
        status=str(run["status"]),
        details="" if run["status-details"] in (None, "N/A") else str(run["status-details"]),
        elapsed=f"{float(run['elapsed']):.0f} s",
    )

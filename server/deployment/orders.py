"""What the coordinator asks of its own SuperLink: its sites, its runs, a submission, a stop."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import executable, quiet_environment
from fedgraft.common.runtime.ssh_keys import public_pem
from fedgraft.server.deployment import control_api
from fedgraft.server.deployment.folder import CONNECTION, Folder
from fedgraft.server.deployment.health import is_healthy


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


def ask(folder: Folder, method: str, **fields: Any) -> Any:
    """The SuperLink's answer (`control_api.ask`), if the coordinator is running.

    Raises:
        DeploymentError: it is not, or the SuperLink refused; the message quotes its own.
    """
    require_running(folder)
    return control_api.ask(folder, method, **fields)


def register_key(folder: Folder, public: bytes, name: str) -> str:
    """Register a site's public key, in OpenSSH's format, with the SuperLink; returns its node id."""
    return str(ask(folder, "RegisterNode", public_key=public_pem(public), name=name).node_id)


def unregister_node(folder: Folder, node_id: str) -> None:
    """Unregister a site; if it is connected, its next call is refused."""
    ask(folder, "UnregisterNode", node_id=int(node_id))


def node_states(folder: Folder) -> dict[str, str]:
    """``registered``, ``online``, ``offline`` or ``unregistered``, by node id."""
    return {str(node.node_id): str(node.status) for node in ask(folder, "ListNodes").nodes_info}


def submit(folder: Folder, bundle: Path, run_config: Path) -> str:
    """Submit an app bundle by the ``flwr`` command, which packs it; returns the run's id.

    Raises:
        DeploymentError: the coordinator is not running, or Flower failed; the message quotes Flower's own.
    """
    require_running(folder)
    done = subprocess.run(
        [executable("flwr"), "run", str(bundle), CONNECTION, "--run-config", str(run_config), "--format", "json"],
        env=environment(folder),
        cwd=folder.cli_home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=control_api.CALL_SECONDS,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    if done.returncode != 0 or not isinstance(answer, dict) or not answer.get("success"):
        text = answer.get("error-message") if isinstance(answer, dict) else None
        raise DeploymentError(f"`flwr run` failed: {(text or done.stderr or done.stdout).strip()}")
    return str(answer["run-id"])


def run_state(folder: Folder, run_id: str) -> FlowerRun:
    """The state of one run.

    Raises:
        DeploymentError: there is no such run.
    """
    return _states(ask(folder, "ListRuns", run_id=int(run_id)))[0]


def run_states(folder: Folder) -> tuple[FlowerRun, ...]:
    """The states of all runs in the SuperLink's database, latest first."""
    return _states(ask(folder, "ListRuns"))


def stop_run(folder: Folder, run_id: str) -> None:
    """Stop a run at the coordinator; a site that is computing finishes its message first."""
    ask(folder, "StopRun", run_id=int(run_id))


def _states(told: Any) -> tuple[FlowerRun, ...]:
    runs = sorted(told.run_dict.values(), key=lambda run: str(run.pending_at), reverse=True)
    return tuple(_state(run, told.now) for run in runs)


def _state(run: Any, now: str) -> FlowerRun:
    """Of Flower's ``Run``; ``now``: its clock, as in the times of the run (ISO 8601)."""
    seconds = 0.0
    if run.running_at:
        ended = datetime.fromisoformat(run.finished_at or now)
        seconds = (ended - datetime.fromisoformat(run.running_at)).total_seconds()
    return FlowerRun(
        run_id=str(run.run_id),
        status=":".join(filter(None, (run.status.status, run.status.sub_status))),
        details=run.status.details,
        elapsed=f"{seconds:.0f} s",
    )

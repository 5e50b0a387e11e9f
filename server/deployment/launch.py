"""Submit a plan, follow the run, and report how it ended.

``flwr run --stream`` returns 0 even for a run that failed, so the state is taken from ``flwr list``. The app bundle
holds nothing but a ``pyproject.toml``: every site runs the code that is installed there.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import tomli_w

from fedgraft.common.errors import DeploymentError, PlanError
from fedgraft.common.plan import notebook
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.flower import executable
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import flower_cli
from fedgraft.server.deployment.folder import CONNECTION, REGISTERED, TRACKING, Folder, read_sites
from fedgraft.server.tracking.tracker import require_tracking

POLL_SECONDS = 10.0
AWAY_SECONDS = 60.0
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NAME = "fedgraft-plan"  # Flower: letters, digits and hyphens, at most 32
BUNDLE = {
    "project": {"name": NAME, "version": "1.0.0", "description": "A FedGraft plan", "dependencies": []},
    "tool": {
        "flwr": {
            "app": {
                "publisher": "fedgraft",
                "components": {
                    "serverapp": "fedgraft.server.app:app",
                    "clientapp": "fedgraft.client.app.client_app:app",
                },
                "config": {"plan": "{}", "out": ""},
            }
        }
    },
}


@dataclass(frozen=True)
class Launched:
    """A submitted run. ``out`` is where the ServerApp writes its results."""

    run_id: str
    out: Path


def write_bundle(parent: Path) -> Path:
    """Write the app bundle's folder and return it."""
    bundle = parent / NAME
    bundle.mkdir(parents=True, exist_ok=True)
    (bundle / "pyproject.toml").write_text(tomli_w.dumps(BUNDLE), encoding="utf-8")
    return bundle


def require_deployable(plan: Plan) -> None:
    """
    Raises:
        PlanError: the plan has parts of a notebook, which no site has, or its program for tracking is not installed.
    """
    require_tracking(plan)
    found = notebook.targets_of_notebooks(vars(plan))
    if found:
        raise PlanError(
            [f"{target} is a class of a notebook, for simulations there; {notebook.TO_DO}" for target in found]
        )


def launch(folder: Folder, plan: Plan, out: Path | None) -> Launched:
    """Submit a plan.

    Args:
        out: the folder for results; ``None`` for a new one in the coordinator's folder.

    Raises:
        PlanError: it has parts that no site can have.
        DeploymentError: the result folder is not empty, or the coordinator refused.
    """
    require_deployable(plan)
    flower_cli.require_running(folder)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    target = (folder.runs / f"{stamp}-{plan.digest[:8]}" if out is None else out).resolve()
    if target.exists() and any(target.iterdir()):
        raise DeploymentError(f"--out {target} is not empty; name a new folder, results are never overwritten")
    target.mkdir(parents=True, exist_ok=True)
    run_config = folder.cli_home / f"run-{stamp}-{plan.digest[:8]}.toml"
    folder.cli_home.mkdir(exist_ok=True)
    told = plan.for_sites().to_json()  # Flower gives a run's configuration to its nodes, too
    run_config.write_text(tomli_w.dumps({"plan": told, "out": str(target)}), encoding="utf-8")
    leave_for_server_app(target, plan, {site.node_id: site.name for site in read_sites(folder)})
    try:
        return Launched(flower_cli.submit(folder, write_bundle(folder.cli_home), run_config), target)
    finally:
        run_config.unlink()


def leave_for_server_app(out: Path, plan: Plan, names: Mapping[str, str]) -> None:
    """Write into a run's folder what the ServerApp needs and sites don't get: the sites' names by node id, and the
    plan's ``tracking``."""
    (out / REGISTERED).write_text(json.dumps(dict(names)), encoding="utf-8")
    (out / TRACKING).write_text(json.dumps(asdict(plan.tracking)), encoding="utf-8")


def follow(folder: Folder, run_id: str) -> int:
    """Print the run's log until it ends; returns exit code 0 only if the run completed. Ctrl-C stops the run (130)."""
    pump = _LogPump(folder, run_id)
    try:
        state = _state(folder, run_id)
        while not state.finished:
            pump.wait(POLL_SECONDS)
            state = _state(folder, run_id)
    except KeyboardInterrupt:
        say(f"stopping run {run_id}; sites that are computing finish their present message first")
        flower_cli.stop_run(folder, run_id)
        state = flower_cli.run_state(folder, run_id)
        pump.close()
        say(f"run {run_id}: {state.status}")
        return 130
    pump.drain()
    details = f" ({state.details})" if state.details else ""
    say(f"run {run_id}: {state.status}{details} after {state.elapsed}")
    return 0 if state.completed else 1


def _state(folder: Folder, run_id: str) -> flower_cli.FlowerRun:
    """The run's state; waits up to `AWAY_SECONDS` for a SuperLink that is being restarted."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return flower_cli.run_state(folder, run_id)
        except DeploymentError:
            if time.monotonic() > deadline:
                raise
            time.sleep(2.0)


class _LogPump:
    """Prints the output of ``flwr log --stream``; if the stream breaks, starts it again and skips printed lines."""

    def __init__(self, folder: Folder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        self._printed = 0
        self._begin()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            [executable("flwr"), "log", self._run_id, CONNECTION, "--stream"],
            env=flower_cli.environment(self._folder),
            cwd=self._folder.cli_home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._print_new, daemon=True)
        self._thread.start()

    def _print_new(self) -> None:
        assert self._process.stdout is not None
        for number, line in enumerate(self._process.stdout, start=1):
            if number > self._printed:
                self._printed = number
                print(COLOUR.sub("", line), end="", flush=True)

    def wait(self, seconds: float) -> None:
        """Return when the stream ends, or after ``seconds``; a stream that has ended is started again first."""
        if self._process.poll() is not None:
            self.close()
            time.sleep(1.0)
            self._begin()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def drain(self) -> None:
        """Print the rest of a finished run's log."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10.0)
        self.close()

    def close(self) -> None:
        """Stop printing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join(5.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

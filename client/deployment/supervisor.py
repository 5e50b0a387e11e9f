"""``fedgraft site start``: keep this site connected, and say in one sentence why it is not.

Two programs run: Flower's SuperNode, which talks to the coordinator, and our executor, which runs the installed
ClientApp (`fedgraft.client.deployment.executor`). A SuperNode ends at once when the coordinator refuses it, and for
about a minute the coordinator refuses a site that it still believes to be online. The supervisor therefore starts it
again, with growing pauses, for `REFUSED_SECONDS` if it is refused and for ``patience`` seconds if the coordinator can't
be reached. A lasting error (a wrong CA, a wrong name) ends the supervisor at once with exit code 1.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.deployment.connection import Reach, reach
from fedgraft.client.deployment.executor import require_superexec
from fedgraft.client.deployment.message_process import require_flower
from fedgraft.client.site.keys import check_private_key, public_path
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file
from fedgraft.common.errors import SiteFileError
from fedgraft.common.runtime.files import private_folder, write_private
from fedgraft.common.runtime.flower import executable, module, quiet_environment
from fedgraft.common.runtime.processes import Child, Program, free_port, only_one, say, start, stop, stop_requested
from fedgraft.common.runtime.ssh_keys import key_fingerprint

PATIENCE_SECONDS = 900.0
REFUSED_SECONDS = 150.0
FIRST_PAUSE_SECONDS = 3.0
LONGEST_PAUSE_SECONDS = 20.0
EXECUTOR_LIVES = 3
CONNECTED = "SuperNode ID:"
REFUSED = "[code: 2004]"


@dataclass(frozen=True)
class Trouble:
    """Why the site is not connected. ``seconds``: for how long to try again; 0 for not at all."""

    sentence: str
    seconds: float


def require_coordinator(site: SiteFile, path: Path) -> Coordinator:
    """The ``coordinator`` section, after checking that the files which ``site start`` needs are there.

    Raises:
        SiteFileError: the section or its CA file is missing.
        DeploymentError: the key is unusable.
    """
    if site.coordinator is None:
        raise SiteFileError(f"{path} has no `coordinator` section; it needs address, ca and key")
    if not site.coordinator.ca.is_file():
        raise SiteFileError(f"coordinator.ca {site.coordinator.ca} does not exist; ask for the ca.crt")
    check_private_key(site.coordinator.key)
    return site.coordinator


def supernode_program(site: SiteFile, coordinator: Coordinator, site_file: Path, port: int) -> Program:
    """Flower's SuperNode in process isolation: it starts no process itself."""
    node_config = f"site-file={json.dumps(str(site_file), ensure_ascii=False)}"
    argv = (
        *(executable("flower-supernode"), "--superlink", coordinator.address),
        *("--root-certificates", str(coordinator.ca), "--auth-supernode-private-key", str(coordinator.key)),
        *("--host", "127.0.0.1", "--port", str(port), "--isolation", "process"),
        *("--superexec-auth-secret-file", str(_secret(site)), "--node-config", node_config),
    )
    return _program(site, "supernode", argv)


def executor_program(site: SiteFile, port: int) -> Program:
    """Our executor, which runs the ClientApp in child processes."""
    arguments = ("--runtime-api-address", f"127.0.0.1:{port}", "--secret", str(_secret(site)))
    return _program(site, "executor", tuple(module("fedgraft.client.deployment.executor", *arguments)))


def run_site(path: Path, patience: float = PATIENCE_SECONDS) -> int:
    """Keep a site connected until SIGTERM or Ctrl-C (exit code 0), or until it gives up (exit code 1).

    Args:
        path: the site file.
        patience: seconds for which an unreachable coordinator is tried again.

    Raises:
        SiteFileError: the site file can't be used.
        DeploymentError: the key can't be used, this flwr can't be made safe, or the site is running already.
    """
    path = path.resolve()
    if '"' in str(path) or "\\" in str(path):
        raise SiteFileError(f"--site {path}: Flower can't be given a path with a quote or a backslash in it")
    site = read_site_file(path)
    coordinator = require_coordinator(site, path)
    require_flower()
    require_superexec()
    private_folder(site.state)
    with only_one(site.state / "site.lock", f"site {site.name}"), stop_requested() as stopping:
        _secret(site).unlink(missing_ok=True)
        write_private(_secret(site), secrets.token_bytes(48))
        return _Supervision(site, coordinator, path, patience, stopping).run()


class _Supervision:
    """The state of one call of ``site start``: its two children, and since when the site is not connected."""

    def __init__(
        self, site: SiteFile, coordinator: Coordinator, path: Path, patience: float, stopping: threading.Event
    ) -> None:
        self._site = site
        self._coordinator = coordinator
        self._path = path
        self._patience = patience
        self._stopping = stopping
        self._port = free_port()
        self._executor_deaths = 0
        self._executor: Child | None = None
        self._troubled_since: float | None = None

    def run(self) -> int:
        """Connect, again and again if the connection ends; returns the exit code of ``site start``."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while not self._stopping.is_set():
                trouble = self._connect_once()
                if trouble is None:
                    break
                now = time.monotonic()
                if self._troubled_since is None:
                    self._troubled_since, pause = now, FIRST_PAUSE_SECONDS
                if now - self._troubled_since >= trouble.seconds:
                    say(f"site {self._site.name}: giving up: {trouble.sentence}")
                    return 1
                say(f"site {self._site.name}: {trouble.sentence}; trying again in {pause:.0f} s")
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        finally:
            if self._executor is not None:
                stop([self._executor])
        say(f"site {self._site.name}: stopped")
        return 0

    def _connect_once(self) -> Trouble | None:
        """Run one SuperNode until it ends, and return why; ``None`` if a stop was requested."""
        found = reach(self._coordinator)
        if not found.ok:
            return trouble_of(found, self._patience)
        self._executor = self._executor or start(executor_program(self._site, self._port))
        node = start(supernode_program(self._site, self._coordinator, self._path, self._port))
        try:
            trouble = self._watch(node)
        finally:
            stop([node])
        return trouble

    def _watch(self, node: Child) -> Trouble | None:
        connected = False
        while not self._stopping.wait(0.5):
            if not connected and CONNECTED in node.output():
                connected, self._troubled_since = True, None
                say(f"site {self._site.name}: connected to {self._coordinator.address}; waiting for runs")
            if not node.alive:
                return explain_end(
                    node.output(), node.process.returncode, self._site, self._coordinator, self._patience
                )
            if not self._keep_executor():
                return Trouble(f"the executor keeps ending; its log is {self._log('executor')}", 0)
        return None

    def _keep_executor(self) -> bool:
        if self._executor is None or self._executor.alive:
            return True
        self._executor_deaths += 1
        if self._executor_deaths >= EXECUTOR_LIVES:
            return False
        say(f"site {self._site.name}: the executor ended; starting it again (log: {self._log('executor')})")
        self._executor = start(executor_program(self._site, self._port))
        return True

    def _log(self, name: str) -> Path:
        return self._site.state / "logs" / f"{name}.log"


def trouble_of(found: Reach, patience: float) -> Trouble:
    """The `Trouble` of a failed request."""
    return Trouble(found.sentence, 0.0 if found.lasting else patience)


def explain_end(
    output: str, code: int, site: SiteFile, coordinator: Coordinator, patience: float = PATIENCE_SECONDS
) -> Trouble:
    """Why a SuperNode ended by itself, from its output and its exit code."""
    if REFUSED in output:
        public = public_path(coordinator.key)
        shown = f"{public} (key {key_fingerprint(public)})" if public.is_file() else str(public)
        return Trouble(
            f"the coordinator does not admit site {site.name}: its key is not registered, or it still counts "
            f"the site as online from before (for about a minute); have it register {shown}",
            min(patience, REFUSED_SECONDS),
        )
    if "CERTIFICATE_VERIFY_FAILED" in output:
        return Trouble(f"the coordinator is not the one that coordinator.ca ({coordinator.ca}) vouches for", 0.0)
    if CONNECTED in output:
        return Trouble("the connection ended; the coordinator was away, or no longer admits this site", patience)
    lines = [line for line in output.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else "it wrote nothing"
    return Trouble(f"the SuperNode ended with code {code}: {last}", min(patience, REFUSED_SECONDS))


def _secret(site: SiteFile) -> Path:
    return site.state / "superexec.secret"


def _program(site: SiteFile, name: str, argv: tuple[str, ...]) -> Program:
    flower_home = site.state / "flower"
    environment = {
        **quiet_environment(os.environ),
        "FLWR_HOME": str(flower_home),
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.25",
    }
    flower_home.mkdir(parents=True, exist_ok=True)
    return Program(name, argv, environment, site.state / "logs" / f"{name}.log", flower_home)

"""Keep a coordinator running: SuperLink and SuperExec on loopback, the gateway on the public port.

A child that ends is started again after a short pause: with a database and process isolation, a run survives a
SuperLink that is back within ten seconds. If a child ends more than `RESTARTS` times within `RESTART_WINDOW` seconds,
the supervisor stops all of them, names the child, and ends with exit code 1, so that systemd or a person notices.
"""

from __future__ import annotations

import os
import socket
import threading
import time

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import executable, module, quiet_environment
from fedgraft.common.runtime.only_one import Holder, only_one
from fedgraft.common.runtime.private import close_to_others
from fedgraft.common.runtime.processes import Child, Program, say, start, stop, stop_requested
from fedgraft.server.deployment.folder import Folder, Settings
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.deployment.keeper import Keeper
from fedgraft.server.deployment.open_runs import OPEN, OPEN_RUNS
from fedgraft.server.deployment.pki import validity
from fedgraft.server.deployment.public import site_news

READY_SECONDS = 60.0
RESTARTS = 5
RESTART_WINDOW = 300.0
PAUSE_SECONDS = 1.0


def superlink_program(folder: Folder, settings: Settings) -> Program:
    """Flower's server, reachable on loopback only."""
    argv = (
        *(executable("flower-superlink"), "--host", "127.0.0.1", "--port", str(settings.internal_port)),
        *("--ssl-ca-certfile", str(folder.authority)),
        *("--ssl-certfile", str(folder.certificate), "--ssl-keyfile", str(folder.certificate_key)),
        *("--enable-supernode-auth", "--database", str(folder.link / "state.db")),
        *("--isolation", "process", "--superexec-auth-secret-file", str(folder.secret)),
        "--disable-runtime-dependency-installation",
    )
    return _program(folder, "superlink", argv)


def superexec_program(folder: Folder, settings: Settings) -> Program:
    """Flower's SuperExec, which starts a ServerApp process for each run; it authenticates with the shared secret."""
    argv = (
        *(executable("flower-superexec"), "--runtime-api-address", f"127.0.0.1:{settings.internal_port}"),
        *("--root-certificates", str(folder.authority)),
        *("--superexec-auth-secret-file", str(folder.secret)),
    )
    return _program(folder, "superexec", argv)


def gateway_program(folder: Folder, settings: Settings) -> Program:
    """The gateway, the only program that is reachable from outside (`fedgraft.server.deployment.public.gateway`)."""
    argv = module(
        "fedgraft.server.deployment.public.gateway",
        *("--listen", settings.listen, "--port", str(settings.port)),
        *("--superlink", f"https://127.0.0.1:{settings.internal_port}", "--authority", str(folder.authority)),
        *("--certificate", str(folder.certificate), "--key", str(folder.certificate_key)),
        *("--folder", str(folder.root)),
    )
    return _program(folder, "gateway", tuple(argv))


def serve(folder: Folder) -> int:
    """Run in the foreground until SIGTERM or Ctrl-C (exit code 0), or until a child keeps ending (exit code 1).

    Raises:
        DeploymentError: the certificate has expired, a port is taken, or the SuperLink does not come up.
    """
    settings = folder.settings()
    certificate = validity(folder.certificate)
    if certificate.state == "expired":
        raise DeploymentError(certificate.sentence)
    if certificate.state == "expiring":
        say(f"warning: {certificate.sentence}")
    if close_to_others(folder.root):
        say(f"{folder.root} was open to other accounts of this machine, and is not any more (mode 0700)")
    with (
        only_one(folder.root / "coordinator.lock", f"the coordinator of {folder.root}") as holder,
        stop_requested() as stopping,
    ):
        _require_free(settings.listen, settings.port, "--port")
        _require_free("127.0.0.1", settings.internal_port, "--internal-port")
        children: list[Child] = []
        try:
            return _run(folder, settings, children, stopping, holder)
        finally:
            stop(list(reversed(children)))


def _run(folder: Folder, settings: Settings, children: list[Child], stopping: threading.Event, holder: Holder) -> int:
    for program, port in (
        (superlink_program(folder, settings), settings.internal_port),
        (gateway_program(folder, settings), settings.port),
        (superexec_program(folder, settings), None),
    ):
        child = start(program)
        children.append(child)
        holder.note(children)
        if port is not None:
            _wait_ready(child, folder, port, stopping)
        if stopping.is_set():
            return 0
    say(f"coordinator is up: sites connect to {settings.hosts[0]}:{settings.port}; logs in {folder.logs}")
    threading.Thread(target=Keeper(folder).run, args=(stopping,), daemon=True).start()
    threading.Thread(target=site_news.tell, args=(folder, stopping), daemon=True).start()
    failures: dict[str, list[float]] = {}
    while not stopping.wait(0.5):
        for index, child in enumerate(children):
            if not child.alive and not stopping.is_set():
                if not _may_restart(child, failures):
                    say(f"{child.name} keeps ending; giving up. Its log: {child.program.log}")
                    return 1
                stop([child])
                stopping.wait(PAUSE_SECONDS)
                children[index] = start(child.program)
                holder.note(children)
    say("stopping")
    return 0


def _may_restart(child: Child, failures: dict[str, list[float]]) -> bool:
    now = time.monotonic()
    recent = [moment for moment in failures.get(child.name, []) if now - moment < RESTART_WINDOW]
    failures[child.name] = [*recent, now]
    say(f"{child.name} ended with code {child.process.returncode}; starting it again")
    return len(recent) < RESTARTS


def _wait_ready(child: Child, folder: Folder, port: int, stopping: threading.Event) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not stopping.wait(0.2):
        if is_healthy(folder, port):
            return
        if not child.alive or time.monotonic() > deadline:
            tail = "\n".join(child.output().strip().splitlines()[-5:])
            raise DeploymentError(f"{child.name} did not come up; the end of {child.program.log}:\n{tail}")


def _require_free(host: str, port: int, option: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise DeploymentError(f"{option} {port} on {host} can't be used: {error.strerror}") from error


def _program(folder: Folder, name: str, argv: tuple[str, ...]) -> Program:
    environment = {
        **quiet_environment(os.environ),
        "FLWR_HOME": str(folder.link),
        OPEN_RUNS: str(folder.root / OPEN),
    }
    return Program(name, argv, environment, folder.logs / f"{name}.log", folder.link)

"""Start a process for each message to this site's ClientApp; refuse every other kind of task.

This replaces Flower's ``flower-superexec`` beside a SuperNode in process isolation. It is Flower's own loop
(authentication with the site's secret, polling, retries) with our executor, so that no program is found through
``PATH`` and the app bundle's code is never read (`fedgraft.client.deployment.message_process`).

Each message gets a process of its own, forked from a server process that has imported torch and the ClientApp once:
isolation without the five to ten seconds that these imports take. The server starts with the first message and ends
after `IDLE_SECONDS` without one, with the 400 MB that it holds; at a site that is kept ``warm`` it starts at once, and
stays. A task's token is passed through a pipe, not on a
command line that every account of the machine can read. A process that ends without an answer is noticed here: the
SuperNode is told with the task's token, and answers with a code.

Run as ``python -m fedgraft.client.deployment.executor`` by `fedgraft.client.deployment.supervisor`.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import multiprocessing.forkserver as forkserver
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from fedgraft.client.deployment.message_process import CLIENT_APP, answer, fail, kept_claimed, refuse, require_flower
from fedgraft.client.deployment.origin import EXECUTOR
from fedgraft.client.deployment.signals import Beat, beating
from fedgraft.common.causes import KILLED, OUT_OF_MEMORY, PROCESS_ENDED
from fedgraft.common.errors import DeploymentError

IDLE_SECONDS = 600.0
CLIENT_TASK = "flwr-clientapp"
AGENT_TASK = "flwr-agentapp"
PRELOAD = (
    "fedgraft.client.deployment.origin",  # first: the server then ends with this process
    "fedgraft.client.deployment.message_process",
    "flwr.supernode.runtime.run_clientapp",
    "httpcore",  # which httpx imports with its first connection
    CLIENT_APP.partition(":")[0],
    "fedgraft.client.images.factory",
    "fedgraft.common.kinds.timm_ready",  # the ClientApp imports timm only for images: here once, not in each process
)


@dataclass(frozen=True)
class Task:
    """A task that was taken. ``token``: by which the SuperNode knows who works on it. ``kills``: `oom_kills` before."""

    process: ForkServerProcess
    address: str
    token: str
    kills: int


class TrustedExecutor:
    """An implementation of Flower's executor protocol: it says which tasks can be run, and runs them."""

    def __init__(self, context: ForkServerContext, warm: bool = False) -> None:
        self._context, self._warm = context, warm
        if warm:
            forkserver.ensure_running()
        self._tasks: list[Task] = []
        self._used: float | None = None  # when the server was needed last; None if there is none
        self._beat = Beat()

    def get_eligible_capacity(self, supported: set[Any], **_: Any) -> tuple[set[Any], set[str]]:
        """Ask for ClientApp tasks, to run, and AgentApp tasks, to refuse; for no others."""
        return {kind for kind in supported if kind in (CLIENT_TASK, AGENT_TASK)}, set()

    def wait_for_capacity(self, *_: Any, **__: Any) -> None:
        """There is always room: a SuperNode has one message at a time."""

    def launch(self, spec: Any) -> Any:
        """Start the process of one task."""
        results = importlib.import_module("flwr.supercore.superexec.executor").LaunchResult
        targets = {CLIENT_TASK: answer, AGENT_TASK: refuse}
        if spec.task_type not in targets:
            return results.failed("this site runs ClientApp tasks only")
        process = self._context.Process(target=targets[spec.task_type], args=(spec.runtime_api_address, spec.token))
        self._tasks.append(Task(process, spec.runtime_api_address, spec.token, oom_kills()))
        self._used = time.monotonic()
        try:
            with kept_claimed(spec.runtime_api_address, spec.token), beating(self._beat):
                process.start()  # the first one waits for all imports
        except (OSError, EOFError) as error:  # the server is gone; it is started again with the next task
            self._tasks.pop()
            fail(spec.runtime_api_address, spec.token, PROCESS_ENDED)
            return results.failed(f"no process could be started: {type(error).__name__}")
        return results.accepted()

    def reconcile(self) -> None:
        """Drop processes that have ended from the list; of one that was ended, say why to whoever waits for it. Flower
        calls this again and again: a sign of life."""
        self._beat()
        ended = [task for task in self._tasks if not task.process.is_alive()]
        self._tasks = [task for task in self._tasks if task not in ended]
        for task in ended:
            if task.process.exitcode != 0:
                fail(task.address, task.token, cause_of_end(task.process.exitcode, oom_kills() - task.kills))
        if self._tasks or self._warm:
            self._used = time.monotonic()
        elif self._used is not None and time.monotonic() - self._used > IDLE_SECONDS:
            stop_server()
            self._used = None

    def close(self) -> None:
        """Stop what is still running."""
        for task in self._tasks:
            task.process.terminate()


def stop_server() -> None:
    """End the server of processes; the next message starts another."""
    server: Any = forkserver
    server._forkserver._stop()  # Python's own way, which it has for its tests


def cause_of_end(code: int | None, kills: int) -> str:
    """The code for a process that ended without success.

    Args:
        code: its exit code; minus the signal's number if one ended it.
        kills: how many processes the kernel killed meanwhile because memory was short.
    """
    if code == -signal.SIGKILL:
        return OUT_OF_MEMORY if kills > 0 else KILLED
    return PROCESS_ENDED


def oom_kills() -> int:
    """How many processes this kernel has killed since it started because memory was short; 0 if it does not say.

    ``/proc/vmstat`` of Linux counts them for the machine and for every container on it.
    """
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def require_superexec() -> Any:
    """Flower's loop module, after checking that our executor will be the one it uses.

    Raises:
        DeploymentError: this flwr is built differently.
    """
    try:
        loop = importlib.import_module("flwr.supercore.superexec.run_superexec")
        uses_ours = "get_executor" in loop.run_superexec.__code__.co_names and hasattr(loop, "get_executor")
        commands = importlib.import_module("flwr.supercore.constant").TASK_TYPE_TO_COMMAND.values()
        known = {CLIENT_TASK, AGENT_TASK} <= set(commands)
    except (ImportError, AttributeError) as error:
        raise DeploymentError(f"this flwr has no SuperExec that can be made safe: {error}") from error
    if not (uses_ours and known):
        raise DeploymentError("this flwr's SuperExec can't be given our executor; install the flwr that we ask for")
    return loop


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal stops it."""
    parser = argparse.ArgumentParser(description="run the installed ClientApp for a SuperNode on this machine")
    parser.add_argument("--runtime-api-address", required=True)
    parser.add_argument("--secret", type=Path, required=True)
    parser.add_argument("--warm", action="store_true")
    given = parser.parse_args(argv)
    try:
        require_flower()
        loop = require_superexec()
    except DeploymentError as error:
        print(f"executor: {error}", file=sys.stderr)
        return 2
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOAD))
    os.environ[EXECUTOR] = str(os.getpid())
    loop.get_executor = lambda *_, **__: TrustedExecutor(context, given.warm)
    loop.run_superexec(
        runtime_api_address=given.runtime_api_address,
        insecure=True,  # loopback
        superexec_auth_secret=given.secret.read_bytes(),
        runtime_dependency_install=False,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

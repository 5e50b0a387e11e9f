"""Child processes that a coordinator or a site keeps alive: started, watched, stopped, with a log file each.

Each child has a session of its own: Ctrl-C in a terminal reaches only the supervisor, which then stops its children in
order. A child's own children (a ServerApp, a task) are stopped with its session.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fedgraft.common.errors import DeploymentError

GRACE_SECONDS = 10.0
LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Program:
    """What to run. ``log`` gets stdout and stderr; ``folder`` is the working directory."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    folder: Path


@dataclass(frozen=True)
class Child:
    """A started program.

    ``log_start``: the offset in bytes at which its output begins in the log. ``started``: `time.monotonic` then.
    """

    program: Program
    process: subprocess.Popen[bytes]
    log_start: int
    started: float

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def output(self) -> str:
        """What the program has written since this start."""
        with self.program.log.open("rb") as stream:
            stream.seek(self.log_start)
            return stream.read().decode("utf-8", errors="replace")


def start(program: Program) -> Child:
    """Start a program with its output appended to its log (readable by the owner only)."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    if program.log.exists() and program.log.stat().st_size > LOG_LIMIT_BYTES:
        program.log.replace(program.log.with_suffix(".old.log"))
    descriptor = os.open(program.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        log_start = program.log.stat().st_size
        process = subprocess.Popen(
            program.argv,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            start_new_session=True,
        )
    return Child(program, process, log_start, time.monotonic())


def stop(children: Sequence[Child], grace: float = GRACE_SECONDS) -> None:
    """Terminate the children in the order given, waiting at most ``grace`` seconds in all; then kill their sessions."""
    deadline = time.monotonic() + grace
    for child in children:
        if child.alive:
            child.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


@contextlib.contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets within the ``with`` block (main thread only)."""
    event = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        event.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def only_one(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file within the block, so that a folder has only one supervisor; ``what`` names it in the error.

    Raises:
        DeploymentError: another process holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DeploymentError(f"{what} is already running ({lock} is held); stop it first") from error
        yield


def free_port() -> int:
    """A loopback port that is free now (another process may take it before it is used)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def say(text: str) -> None:
    """Print one line at once, for the person or the journal that watches this service."""
    print(text, flush=True)

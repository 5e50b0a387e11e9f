"""Child processes that a coordinator or a site keeps alive: started, watched, stopped, with a log file each.

Each child has a session of its own: Ctrl-C in a terminal reaches only the supervisor, which then stops its children in
order. A child's own children (a ServerApp, a task) are stopped with its session. If the supervisor is killed, its
children end with it (`fedgraft.common.runtime.parent_death`).

A child can tell its supervisor something (`tell`): a line through a pipe, which works with a full disk too.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
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
from typing import Any

from fedgraft.common.runtime import parent_death

GRACE_SECONDS = 10.0
LOG_LIMIT_BYTES = 20_000_000
TELLING = "FEDGRAFT_TELLING"
"""The environment variable that names a child's end of the pipe to its supervisor."""
_MOST_TOLD_BYTES = 65_536


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
    ``telling``: our end of the pipe through which it tells us something. ``guard``: the shell that ends it if this
    process is killed; ``None`` where the kernel does that.
    """

    program: Program
    process: subprocess.Popen[bytes]
    log_start: int
    started: float
    telling: io.FileIO
    guard: subprocess.Popen[bytes] | None

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

    def told(self) -> list[dict[str, Any]]:
        """What the program has told since the last call, without waiting."""
        content = b"" if self.telling.closed else self.telling.read(_MOST_TOLD_BYTES) or b""  # None: nothing now
        return [json.loads(line) for line in content.splitlines()]


def tell(what: dict[str, Any]) -> None:
    """Tell the supervisor of this process something; nobody hears it if there is none.

    A line of less than 4,096 bytes goes through a pipe whole; of a full pipe it is dropped.
    """
    pipe = os.environ.get(TELLING, "")
    if pipe.isdecimal():
        with contextlib.suppress(OSError):
            os.write(int(pipe), json.dumps(what).encode() + b"\n")


def start(program: Program) -> Child:
    """Start a program with its output appended to its log (readable by the owner only), from the main thread."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    if program.log.exists() and program.log.stat().st_size > LOG_LIMIT_BYTES:
        program.log.replace(program.log.with_suffix(".old.log"))
    descriptor = os.open(program.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    os.set_blocking(theirs, False)
    with os.fdopen(descriptor, "ab") as log:
        log_start = program.log.stat().st_size
        process = subprocess.Popen(
            program.argv,
            env={**program.environment, TELLING: str(theirs)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            start_new_session=True,
            pass_fds=(theirs,),
            preexec_fn=functools.partial(parent_death.end_with_parent, os.getpid()),
        )
    os.close(theirs)
    guard = None if parent_death.KERNEL_TELLS else parent_death.end_session_with_this_process(process.pid)
    return Child(program, process, log_start, time.monotonic(), os.fdopen(ours, "rb", buffering=0), guard)


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
        release(child)


def release(child: Child) -> None:
    """Give back what is held for a child that has ended; it tells nothing any more."""
    child.telling.close()
    if child.guard is not None:
        child.guard.kill()
        child.guard.communicate()


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


def free_port() -> int:
    """A loopback port that is free now (another process may take it before it is used)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def say(text: str) -> None:
    """Print one line at once, for the person or the journal that watches this service."""
    print(text, flush=True)

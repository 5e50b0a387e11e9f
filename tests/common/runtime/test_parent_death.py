"""A supervisor that is killed leaves nothing; one that left something is followed by one that ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime import only_one as locks
from fedgraft.common.runtime.only_one import Known, beginning, end_left_over, only_one
from fedgraft.common.runtime.parent_death import end_with_parent
from fedgraft.common.runtime.processes import Child, Program, start, stop

SUPERVISOR = """
import sys, time
from pathlib import Path
from fedgraft.common.runtime import parent_death
from fedgraft.common.runtime.only_one import only_one
from fedgraft.common.runtime.processes import Program, start
parent_death.KERNEL_TELLS = sys.argv[2] == "kernel"
if not parent_death.KERNEL_TELLS:
    parent_death._LIBC = None
here = Path(sys.argv[1])
with only_one(here / "lock", "site north") as holder:
    program = Program("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"), {}, here / "log", here)
    child = start(program)
    holder.note([child])
    print(child.process.pid, flush=True)
    time.sleep(600)
"""


def supervised(folder: Path, how: str) -> tuple[subprocess.Popen[str], int]:
    """A supervisor in a process of its own, and the process id of its child."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(folder), how], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert supervisor.stdout is not None
    return supervisor, int(supervisor.stdout.readline())


def end(supervisor: subprocess.Popen[str]) -> None:
    supervisor.kill()
    supervisor.communicate()


@pytest.mark.parametrize("how", ["kernel", "pipe"])
def test_a_child_ends_with_a_killed_supervisor(tmp_path: Path, how: str) -> None:
    supervisor, child = supervised(tmp_path, how)
    with pytest.raises(DeploymentError, match=rf"already running \(process {supervisor.pid} holds .*\); stop it first"):
        only_one(tmp_path / "lock", "site north").__enter__()
    assert beginning(child) is not None
    end(supervisor)
    deadline = time.monotonic() + 60
    while beginning(child) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with only_one(tmp_path / "lock", "site north"):
        noted = json.loads((tmp_path / "lock").read_text())
    assert [(one["name"], one["pid"]) for one in noted] == [("supervisor", os.getpid())]


def test_a_process_whose_parent_ended_before_it_asked_ends_at_once() -> None:
    asking = f"from fedgraft.common.runtime.parent_death import end_with_parent; end_with_parent({os.getpid()} + 1)"
    done = subprocess.run([sys.executable, "-c", f"{asking}; print('alive')"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
    assert end_with_parent(os.getppid()) is None


def sleeper(folder: Path) -> Child:
    return start(Program("sleeper", (sys.executable, "-c", "import time; time.sleep(600)"), {}, folder / "log", folder))


def test_what_was_left_over_is_ended_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "_DYING_SECONDS", 0.0)
    left, other = sleeper(tmp_path), sleeper(tmp_path)
    began = beginning(left.process.pid)
    assert began is not None
    noted = [
        {"name": "supernode", "pid": left.process.pid, "began": began},
        {"name": "executor", "pid": other.process.pid, "began": "of another process with this id"},
    ]
    (tmp_path / "lock").write_text(json.dumps(noted))
    with only_one(tmp_path / "lock", "site north"):
        assert left.process.wait(10) == -signal.SIGKILL
    said = f"site north: ended supernode (process {left.process.pid}), left over from a start that was killed\n"
    assert capsys.readouterr().out == said
    assert other.alive, "a process that has this number by chance is left alone"
    stop([left, other])


def test_what_can_not_be_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = sleeper(tmp_path)
    for name in ("_DYING_SECONDS", "_KILLED_SECONDS"):
        monkeypatch.setattr(locks, name, 0.0)
    monkeypatch.setattr(os, "killpg", lambda *_: None)
    known = Known("supernode", child.process.pid, beginning(child.process.pid) or "")
    with pytest.raises(DeploymentError, match=rf"supernode \(process {known.pid}\) of an earlier start still runs"):
        end_left_over([known], "site north")
    monkeypatch.undo()
    stop([child])

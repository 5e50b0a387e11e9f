"""Scratch folders of real processes: removed in order, at SIGTERM, and after a kill by whoever comes next."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fedgraft.common.runtime.scratch import ending_in_order, scratch_folder

PREFIX = ".fedgraft-test-"
AT_WORK = """
import sys, time
from pathlib import Path
from fedgraft.common.runtime.scratch import ending_in_order, scratch_folder
with ending_in_order(), scratch_folder(Path(sys.argv[1]), sys.argv[2]) as folder:
    (folder / "kept").mkdir()
    (folder / "kept" / "pixels").write_bytes(b"pixels")
    print(folder.name, flush=True)
    while True:  # a signal just before one long sleep would be seen at its end
        time.sleep(0.05)
"""


def at_work(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a scratch folder, and the folder."""
    argv = [sys.executable, "-c", AT_WORK, str(parent), PREFIX]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, parent / process.stdout.readline().strip()


def end(process: subprocess.Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    with process:
        return process.wait()


def test_a_folder_is_private_and_goes_with_its_block(tmp_path: Path) -> None:
    with scratch_folder(tmp_path, PREFIX) as folder:
        assert folder.parent == tmp_path and stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "kept").mkdir()
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path, PREFIX):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    killed, left = at_work(tmp_path)
    assert end(killed, signal.SIGKILL) == -signal.SIGKILL
    assert (left / "kept" / "pixels").is_file()
    living, kept = at_work(tmp_path)
    assert not left.exists()
    with scratch_folder(tmp_path, PREFIX):
        assert (kept / "kept" / "pixels").is_file()
    (tmp_path / f"{PREFIX}of-an-earlier-version").mkdir()
    assert end(living, signal.SIGTERM) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}of-an-earlier-version"]


def test_signals_are_as_before_behind_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, ending_in_order():
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before

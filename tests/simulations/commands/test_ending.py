"""SIGTERM ends a run as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from fedgraft.simulations.commands.ending import told_to_end

FORKED = """
import os, signal, time
from fedgraft.simulations.commands.ending import told_to_end
with told_to_end():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"ready")
        time.sleep(60)
        os._exit(0)
    os.read(read, 5)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_it_is_an_interruption_and_only_within() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), told_to_end():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forked_process_ends_at_once() -> None:
    said = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == (f"{-signal.SIGTERM}\n", "")

"""Where a message's time goes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedgraft.client.site.timing import Phases, since_process_start, write_phases

WAITER = """
import time
from fedgraft.client.site.timing import since_process_start
time.sleep(0.3)
print(since_process_start())
"""


def test_seconds_add_up_by_phase_and_start_anew() -> None:
    phases = Phases()
    for _ in range(2):
        with phases.of("train"):
            time.sleep(0.02)
    with phases.of("answer"):
        pass
    phases.computed += 7
    seconds, computed = phases.pop()
    assert list(seconds) == ["train", "answer"] and computed == 7
    assert seconds["train"] >= 0.04
    assert phases.pop() == ({}, 0)


def test_a_phase_that_fails_is_counted_too() -> None:
    phases = Phases()
    with pytest.raises(ZeroDivisionError), phases.of("train"):
        _ = 1 / 0
    assert "train" in phases.seconds


def test_the_age_of_a_process() -> None:
    """A process that has slept for 0.3 s is older than that, and younger than what its parent waited."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", WAITER], capture_output=True, text=True, check=True)
    assert 0.3 <= float(done.stdout) <= time.monotonic() - start + 0.02
    age = since_process_start()
    assert age is not None and age > 0


def test_a_line_says_what_and_how_long(tmp_path: Path) -> None:
    phases = Phases({"train": 1.23456}, 3)
    write_phases(tmp_path, "train", 0.5, phases)
    write_phases(tmp_path, "evaluate", None, phases)
    first, second = (json.loads(line) for line in (tmp_path / "phases.jsonl").read_text().splitlines())
    assert (first["what"], first["seconds"], first["computed"]) == ("train", {"receive": 0.5, "train": 1.2346}, 3)
    assert (second["seconds"], second["computed"]) == ({"receive": None}, 0)

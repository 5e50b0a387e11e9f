"""Damaged files: refused or read, but never a crash, a stall, a gigabyte, or a word of what they hold.

The mutants are read in a process of their own, whose memory is bounded (`mutants.py`). One that ends it, as only a
decoder's native code can, must not end the process pool of `fedgraft.client.images.decode_pool`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import REASONS, reason_of
from fedgraft.client.images.decode_pool import DecodeRequest, decoded
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.limits import Limits
from fedgraft.common.interfaces.inputs import ImageSpec
from fedgraft.common.plan.data_sections import DicomSection

SCRIPT = Path(__file__).with_name("mutants.py")
COUNT = 4_000
POOLED = 60
"""So many mutants are also read in the process pool."""
MOST_CRASHES = 20
SPEC = ImageSpec(3, 32, (0.5,) * 3, (0.5,) * 3, "bilinear")
DICOM = DicomSection("file", 0, "middle", 1, False)


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(600)
def test_no_mutant_crashes_stalls_swells_or_tells(
    mutants: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, crashed, said = 0, [], ""
    while first < COUNT and len(crashed) <= MOST_CRASHES:
        done = run(first, COUNT, tmp_path)
        said += done.stdout + done.stderr
        if done.returncode == 0:
            break
        assert done.returncode < 0, done.stderr[-2000:]  # a signal, no error of Python
        crashed.append(verdicts(tmp_path)[-1] | {"signal": -done.returncode})
        first = crashed[-1]["number"] + 1
    read = [one for one in verdicts(tmp_path) if "reason" in one]
    count = Counter(one["reason"] for one in read)
    with capsys.disabled():
        print("\n" + ", ".join(f"{reason}: {number}" for reason, number in count.most_common()), end="")
        print(f", native crashes: {len(crashed)}")
    assert len(read) + len(crashed) == COUNT
    assert [one for one in read if one["wrong"]] == []
    assert [one for one in crashed if one["signal"] == 14] == [], "longer than 10 s"  # SIGALRM
    secrets = {one for path in mutants.shipped().values() for one in mutants.identifiers(path.read_bytes())}
    assert [one for one in (*secrets, mutants.SECRET_NAME) if one in said] == []  # decoders may write a line
    assert_pool_survives(mutants, [one["number"] for one in crashed], tmp_path, {"crashed"})


def test_the_process_pool_reads_mutants_and_undamaged_files_alike(mutants: ModuleType, tmp_path: Path) -> None:
    assert_pool_survives(mutants, list(range(COUNT, COUNT + POOLED)), tmp_path, {"", *REASONS} - {"too-slow"})


def run(first: int, last: int, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), str(first), str(last), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)


def verdicts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "verdicts").read_text().splitlines()]


def assert_pool_survives(mutants: ModuleType, numbers: list[int], folder: Path, reasons: set[str]) -> None:
    """Each mutant costs its own case; an undamaged file after each of them is read."""
    files = {name: path.read_bytes() for name, path in mutants.shipped().items()}
    sound = Case(str(mutants.shipped()["CT_small.dcm"]), "", "p")
    orders = []
    for number in numbers:
        path = folder / f"{number}.dcm"
        path.write_bytes(mutants.mutant(number, files)[2])
        orders += [DecodeRequest(str(path), (Case(str(path), "", "p"),)), DecodeRequest(sound.path, (sound,))]
    found = [
        reason_of(answer.cases[0].facts["reason"]) for _, answer in decoded(orders, Reading(DICOM, Limits()), SPEC, 2)
    ]
    assert len(found) == 2 * len(numbers)
    assert {reason or "" for reason in found[::2]} <= reasons
    assert not any(found[1::2])

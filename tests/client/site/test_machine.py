"""What the machine has, and what is chosen from it, by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedgraft.client.site.machine import automatic_batch, cores, memory_bytes

pytestmark = pytest.mark.processes

PAGE_FAULTS = """
import resource, sys, torch
from fedgraft.common.runtime.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
for _ in range(10):
    torch.ones(16_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(16_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize(
    ("text", "most"), [("150000 100000", 1), ("50000 100000", 1), ("99999900000 100000", 10**6), ("max 100000", 10**6)]
)
def test_a_container_s_quota_of_cores(tmp_path: Path, text: str, most: int) -> None:
    free = cores(tmp_path)
    (tmp_path / "cpu.max").write_text(f"{text}\n", encoding="ascii")
    assert cores(tmp_path) == min(most, free)


@pytest.mark.parametrize(("text", "limit"), [("1000000\n", 1_000_000), ("max\n", None)])
def test_a_container_s_limit_of_memory(tmp_path: Path, text: str, limit: int | None) -> None:
    free = memory_bytes(tmp_path)
    assert free > 100_000_000
    (tmp_path / "memory.max").write_text(text, encoding="ascii")
    assert memory_bytes(tmp_path) == (limit or free)


def test_images_at_once_by_hand() -> None:
    gigabyte = 10**9
    assert automatic_batch((3, 224, 224), 24 * gigabyte) == 16
    assert automatic_batch((1, 224, 224), 24 * gigabyte) == 16, "the widest layers have as many channels"
    assert automatic_batch((3, 96, 96), 24 * gigabyte) == 87  # 802,816 / 9,216
    assert automatic_batch((3, 224, 224), gigabyte) == 4  # 250,000 / 50,176
    assert automatic_batch((3, 2048, 2048), gigabyte) == 1


def test_rows_of_a_table_go_by_the_thousand() -> None:
    assert automatic_batch((13,), 10**9) == automatic_batch((500,), 10**6) == 1024


def test_freed_memory_is_kept() -> None:
    """Twenty tensors of 64 MB are 312,500 fresh pages of 4 kB, or (after some that settle the heap) none."""

    def faults(argument: str) -> int:
        done = subprocess.run([sys.executable, "-c", PAGE_FAULTS, argument], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert faults("keep") < 1000
    assert faults("") > 300_000

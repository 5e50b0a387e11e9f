"""Who may decode in other processes: threads, forked processes, and a parent that is killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.decode_pool import DecodeRequest, decoded
from fedgraft.client.images.reader import Reading
from fedgraft.common.interfaces.inputs import ImageSpec

SPEC = ImageSpec(channels=3, size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic")


@pytest.fixture
def orders(tmp_path: Path) -> list[DecodeRequest]:
    """A DICOM file and six pictures."""
    rng = np.random.default_rng(0)
    files = [Path(str(get_testdata_file("CT_small.dcm"))), *(tmp_path / f"{number}.png" for number in range(6))]
    for file in files[1:]:
        Image.fromarray(rng.integers(256, size=(20, 24), dtype=np.uint8)).save(file)
    return [DecodeRequest(str(file), (Case(str(file), "x", "p"),)) for file in files]


def children() -> list[int]:
    """Processes whose parent this one is."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    torch.rand(400, 400) @ torch.rand(400, 400)
    torch.rand(4_000_000).exp().sum()  # OpenMP's threads exist from here on
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.timeout(60)
def test_torch_s_threads_here_do_not_stop_the_workers(orders: list[DecodeRequest], reading: Reading) -> None:
    for _ in decoded(orders, reading, replace(SPEC, size=512), 2):
        torch.rand(1_000_000).exp().sum()


@pytest.mark.timeout(60)
def test_a_thread_can_decode(orders: list[DecodeRequest], reading: Reading) -> None:
    found: list[DecodeRequest] = []
    thread = threading.Thread(target=lambda: found.extend(o for o, _ in decoded(orders, reading, SPEC, 2)))
    thread.start()
    thread.join()
    assert found == orders


def decode_and_exit(orders: list[DecodeRequest], reading: Reading) -> None:
    sys.exit(sum(one.pixels is not None for _, answer in decoded(orders, reading, SPEC, 2) for one in answer.cases))


@pytest.mark.timeout(60)
def test_a_forked_process_can_decode(orders: list[DecodeRequest], reading: Reading) -> None:
    """As at a site, where each message is answered by a process forked from one that imported torch."""
    process = multiprocessing.get_context("fork").Process(target=decode_and_exit, args=(orders, reading))
    process.start()
    process.join()
    assert process.exitcode == 7


def decode_for_ever(orders: list[DecodeRequest], reading: Reading, pids: Path) -> None:
    answers = decoded(orders * 100, reading, SPEC, 2)
    next(answers)
    pids.write_text(" ".join(map(str, children())), encoding="ascii")
    time.sleep(600)


@pytest.mark.timeout(60)
def test_workers_end_when_their_parent_is_killed(orders: list[DecodeRequest], reading: Reading, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = multiprocessing.get_context("fork").Process(target=decode_for_ever, args=(orders, reading, pids))
    process.start()
    while not (pids.exists() and pids.read_text(encoding="ascii")):
        time.sleep(0.05)
    workers = [int(pid) for pid in pids.read_text(encoding="ascii").split()]
    assert len(workers) == 2
    process.kill()
    process.join()
    while any(running(worker) for worker in workers):
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Whether a process is there and is not waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

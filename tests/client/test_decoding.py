"""Cases decoded in other processes: the same images in the same order, and what goes wrong there arrives here."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file
from torch import Tensor

from fedgraft.client.decoding import Wanted, decoded
from fedgraft.client.images import read_case
from fedgraft.client.manifest import Case
from fedgraft.client.transforms import normalise, resize, to_input
from fedgraft.client.views import Bank, identity, view_of
from fedgraft.common.backbone import InputSpec
from fedgraft.common.errors import DataError
from fedgraft.common.schema import Augment

SPEC = InputSpec(channels=3, size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic")
BANK = Bank(Augment(views=3, rotate=20.0, shift=0.1, zoom=0.1, brightness=0.1, contrast=0.1, flip=True), seed=0)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    """Two DICOM files, six pictures (one in colour), six rows of an array."""
    rng = np.random.default_rng(0)
    found = [str(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm")]
    for number in range(6):
        shape = (20, 24, 3) if number == 4 else (20, 24)
        found.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(found[-1])
    np.savez(tmp_path / "scans.npz", images=rng.integers(256, size=(6, 28, 28), dtype=np.uint8))
    rows = [Case(f"{tmp_path / 'scans.npz'}::images", "x", f"r{row}", row=row) for row in range(6)]
    return [Case(path, "x", f"p{number}") for number, path in enumerate(found)] + rows


def children() -> list[int]:
    """Processes whose parent this one is."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def collected(wanted: list[Wanted], batch: int, workers: int) -> tuple[list[slice], list[Tensor]]:
    """Parts, and normalised images by number."""
    parts, images = [], []
    for part, some in decoded(wanted, SPEC, BANK, batch, workers):
        parts.append(part)
        images += list(normalise(some, SPEC))
    return parts, images


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_images_are_those_of_this_process_in_order(cases: list[Case], workers: int) -> None:
    wanted = [Wanted(case) for case in cases]
    parts, images = collected(wanted, 4, workers)
    assert parts == [slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 14)]
    assert len(images) == len(cases)
    for case, image in zip(cases, images, strict=True):
        assert torch.equal(image, to_input(read_case(case), SPEC)), case.path


@pytest.mark.parametrize("workers", [0, 2])
def test_views_are_made_and_kept_together(cases: list[Case], workers: int) -> None:
    wanted = [Wanted(case, view) for case in cases[:5] for view in (0, 1, 2)]
    parts, images = collected(wanted[1:], 7, workers)  # the first case lacks its first view
    assert parts == [slice(0, 5), slice(5, 11), slice(11, 14)]
    for (case, view), image in zip(wanted[1:], images, strict=True):
        expected = view_of(resize(read_case(case), SPEC), BANK, identity(case), view)
        assert torch.equal(image, normalise(expected, SPEC))


def test_more_views_than_fit_are_parted(cases: list[Case]) -> None:
    wanted = [Wanted(case, view) for case in cases[:2] for view in (0, 1, 2)]
    parts, _ = collected(wanted, 2, 0)
    assert parts == [slice(0, 2), slice(2, 3), slice(3, 5), slice(5, 6)]


def test_grey_images_have_one_plane_and_stay_in_the_range(cases: list[Case]) -> None:
    (_, grey), (_, colour) = decoded([Wanted(case) for case in cases[:8]], SPEC, BANK, 4, 1)
    assert grey.shape == (4, 1, 32, 32)
    assert colour.shape == (4, 3, 32, 32)
    assert grey.dtype == torch.float32
    assert float(grey.min()) >= 0
    assert float(grey.max()) <= 1


@pytest.mark.parametrize("workers", [0, 2])
def test_no_case_gives_nothing_and_starts_nothing(workers: int) -> None:
    assert list(decoded([], SPEC, BANK, 4, workers)) == []
    assert children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_arrives_as_it_is_after_the_batches_before_it(cases: list[Case], workers: int) -> None:
    Path(cases[5].path).write_bytes(b"nothing")
    images = decoded([Wanted(case) for case in cases], SPEC, BANK, 2, workers)
    assert [next(images)[0], next(images)[0]] == [slice(0, 2), slice(2, 4)]
    with pytest.raises(DataError) as caught:
        next(images)
    assert str(caught.value) == f"{cases[5].path}: not a readable PNG or JPEG (UnidentifiedImageError)"
    assert caught.value.__cause__ is None or workers == 0
    assert children() == []


def test_any_other_error_arrives_too(cases: list[Case]) -> None:
    wrong = Bank(BANK.augment, seed={1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        list(decoded([Wanted(cases[2], 1)], SPEC, wrong, 2, 1))
    assert children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_process_is_an_error_that_says_what_to_do(cases: list[Case], workers: int) -> None:
    images = decoded([Wanted(case) for case in cases * 20], SPEC, BANK, 2, workers)
    next(images)
    assert len(children()) == workers
    os.kill(children()[0], signal.SIGKILL)
    with pytest.raises(DataError, match=r"was killed, most likely for want of memory; set fewer workers, or workers=0"):
        list(images)
    assert children() == []


def test_who_stops_early_leaves_no_process(cases: list[Case]) -> None:
    images = decoded([Wanted(case) for case in cases * 20], SPEC, BANK, 2, 2)
    next(images)
    assert len(children()) == 2
    images.close()  # type: ignore[attr-defined]
    assert children() == []


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    torch.rand(400, 400) @ torch.rand(400, 400)
    torch.rand(4_000_000).exp().sum()  # OpenMP's threads exist from here on
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.timeout(60)
def test_torch_s_threads_here_do_not_stop_the_workers(cases: list[Case]) -> None:
    large = InputSpec(3, 512, SPEC.mean, SPEC.std, "bicubic")
    for _, images in decoded([Wanted(case, 1) for case in cases], large, BANK, 2, 2):
        images.exp().sum()


@pytest.mark.timeout(60)
def test_a_thread_can_decode(cases: list[Case]) -> None:
    found: list[int] = []
    thread = threading.Thread(
        target=lambda: found.extend(len(i) for _, i in decoded([Wanted(case) for case in cases], SPEC, BANK, 4, 2))
    )
    thread.start()
    thread.join()
    assert found == [4, 4, 4, 2]


def decode_and_exit(cases: list[Case]) -> None:
    sys.exit(sum(len(images) for _, images in decoded([Wanted(case) for case in cases], SPEC, BANK, 4, 2)))


@pytest.mark.timeout(60)
def test_a_forked_process_can_decode(cases: list[Case]) -> None:
    """As at a site, where each message is answered by a process forked from one that imported torch."""
    process = multiprocessing.get_context("fork").Process(target=decode_and_exit, args=(cases,))
    process.start()
    process.join()
    assert process.exitcode == 14


def decode_for_ever(cases: list[Case], pids: Path) -> None:
    images = decoded([Wanted(case) for case in cases * 100], SPEC, BANK, 2, 2)
    next(images)
    pids.write_text(" ".join(map(str, children())), encoding="ascii")
    time.sleep(600)


@pytest.mark.timeout(60)
def test_workers_end_when_their_parent_is_killed(cases: list[Case], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    process = multiprocessing.get_context("fork").Process(target=decode_for_ever, args=(cases, pids))
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

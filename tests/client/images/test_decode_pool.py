"""Files decoded in other processes: the same pixels in the same order, and what goes wrong costs one case."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.images import reader
from fedgraft.client.images.content import digest_of
from fedgraft.client.images.decode_pool import DecodeReply, DecodeRequest, decoded, look
from fedgraft.client.images.facts import facts_of
from fedgraft.client.images.grey_levels import Levels
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.images.pixels import MOST
from fedgraft.client.images.raster import read_picture
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.images.transforms import resize
from fedgraft.client.site.limits import Limits
from fedgraft.common.interfaces.inputs import ImageSpec

SPEC = ImageSpec(channels=3, size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bicubic")


def order_of(path: Path | str, *rows: int) -> DecodeRequest:
    return DecodeRequest(
        str(path), tuple(Case(str(path), "x", "p", row) for row in rows) or (Case(str(path), "x", "p"),)
    )


@pytest.fixture
def orders(tmp_path: Path) -> list[DecodeRequest]:
    """Two DICOM files, six pictures (one in colour), and a stack of three pages of which two are wanted."""
    rng = np.random.default_rng(0)
    found = [order_of(str(get_testdata_file(name))) for name in ("CT_small.dcm", "MR_small.dcm")]
    for number in range(6):
        shape = (20, 24, 3) if number == 4 else (20, 24)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(tmp_path / f"{number}.png")
        found.append(order_of(tmp_path / f"{number}.png"))
    first, *others = (Image.fromarray(rng.integers(256, size=(9, 9), dtype=np.uint8)) for _ in range(3))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    return [*found, order_of(tmp_path / "stack.tif", 2, 0)]


def children() -> list[int]:
    """Processes whose parent this one is, but for the one that Python starts once for all its pools."""
    found = [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return [pid for pid in found if "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text()]


def reasons(answers: Sequence[tuple[DecodeRequest, DecodeReply]]) -> dict[str, list[str | None]]:
    """By file's name: what became of its cases."""
    found: dict[str, list[str | None]] = {}
    for order, answer in answers:
        found.setdefault(Path(order.file).name, []).extend(reason_of(one.facts["reason"]) for one in answer.cases)
    return found


Hook = Callable[[Path, int | None], None]


def hooked(monkeypatch: pytest.MonkeyPatch, hook: Hook) -> None:
    """Run ``hook`` before each picture is read; the processes are forked, and so have it too."""

    def read(path: Path, limits: Limits, page: int | None, levels: Levels) -> DecodedImage:
        hook(path, page)
        return read_picture(path, limits, page, levels)

    monkeypatch.setattr(reader, "read_picture", read)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_comes_is_what_this_process_reads(orders: list[DecodeRequest], reading: Reading, workers: int) -> None:
    read = CaseReader(reading)
    answers = list(decoded(orders, reading, SPEC, workers))
    assert [order for order, _ in answers] == orders
    for order, answer in answers:
        assert answer.content == digest_of(Path(order.file))
        assert len(answer.cases) == len(order.cases)
        for case, one in zip(order.cases, answer.cases, strict=True):
            picture = read(case)
            assert one.facts == facts_of(picture)
            assert one.pixels is not None
            assert one.pixels.dtype == np.uint16
            expected = resize(picture.pixels, SPEC).numpy()
            np.testing.assert_allclose(one.pixels / MOST, expected, atol=0.50001 / MOST)
    assert children() == []


def test_grey_images_have_one_plane_and_colour_three(orders: list[DecodeRequest], reading: Reading) -> None:
    shapes = {Path(o.file).name: a.cases[0].pixels.shape for o, a in decoded(orders, reading, SPEC, 0)}  # type: ignore[union-attr]
    assert shapes["0.png"] == shapes["CT_small.dcm"] == shapes["stack.tif"] == (1, 32, 32)
    assert shapes["4.png"] == (3, 32, 32)
    grey = replace(SPEC, channels=1)
    assert {a.cases[0].pixels.shape for _, a in decoded(orders, reading, grey, 0)} == {(1, 32, 32)}  # type: ignore[union-attr]


def test_black_and_white_are_the_ends_of_what_is_kept(reading: Reading, tmp_path: Path) -> None:
    Image.fromarray(np.repeat([[0, 255]], 32, 0).repeat(16, 1).astype(np.uint8)).save(tmp_path / "a.png")
    ((_, answer),) = decoded([order_of(tmp_path / "a.png")], reading, SPEC, 0)
    assert answer.cases[0].pixels is not None
    assert answer.cases[0].pixels[0, 0, [0, 31]].tolist() == [0, 65535]


def test_looking_gives_the_same_facts_and_no_pixels(orders: list[DecodeRequest], reading: Reading) -> None:
    for order, answer in decoded(orders, reading, SPEC, 0):
        looked = look(order, CaseReader(reading))
        assert looked.content == answer.content
        assert [one.facts for one in looked.cases] == [one.facts for one in answer.cases]
        assert all(one.pixels is None for one in looked.cases)


@pytest.mark.parametrize("workers", [0, 2])
def test_no_file_gives_nothing_and_starts_nothing(reading: Reading, workers: int) -> None:
    assert list(decoded([], reading, SPEC, workers)) == []
    assert children() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_case_that_can_not_be_used_says_why(orders: list[DecodeRequest], reading: Reading, workers: int) -> None:
    Path(orders[5].file).write_bytes(b"nothing")
    Path(orders[6].file).unlink()
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(orders[7].file)
    orders[8] = order_of(orders[8].file, 0, 3)
    answers = list(decoded(orders, reading, SPEC, workers))
    assert reasons(answers) == {
        **{Path(order.file).name: [None] for order in orders[:5]},
        "3.png": ["damaged"],
        "4.png": ["missing"],
        "5.png": ["blank"],
        "stack.tif": [None, "no-frame"],
    }
    assert answers[6][1].content == b""
    assert all((one.pixels is None) == (one.facts["reason"] > 0) for _, answer in answers for one in answer.cases)


def end(path: Path, _: int | None) -> None:
    if path.name == "3.png":
        os.kill(os.getpid(), signal.SIGKILL)


def swell(path: Path, _: int | None) -> None:
    if path.name == "3.png":
        np.empty(1 << 30, np.uint8)  # a gigabyte; with decoded_bytes=1e6 there is half of one


def stall(path: Path, _: int | None) -> None:
    if path.name == "3.png":
        time.sleep(600)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("hook", "reason", "limits"),
    [
        (end, "crashed", Limits()),
        (swell, "too-large", Limits(decoded_bytes=1_000_000)),
        (stall, "too-slow", Limits(seconds=1)),
    ],
)
def test_a_file_that_harms_its_decoder_costs_that_file(
    orders: list[DecodeRequest],
    reading: Reading,
    monkeypatch: pytest.MonkeyPatch,
    hook: Hook,
    reason: str,
    limits: Limits,
    workers: int,
) -> None:
    hooked(monkeypatch, hook)
    answers = list(decoded(orders, replace(reading, limits=limits), SPEC, workers))
    usual = {Path(order.file).name: [None] * len(order.cases) for order in orders}
    assert reasons(answers) == {**usual, "3.png": [reason]}
    found = [order for order, _ in answers]
    again = [order for order in orders if reason == "crashed" and Path(order.file).name == "3.png"]
    assert found == [order for order in orders if order not in again] + again, "a crash is tried again, last"
    whole = {answer.content == digest_of(Path(order.file)) for order, answer in answers if answer.content}
    assert whole == {True}
    assert [Path(order.file).name for order, answer in answers if not answer.content] == ["3.png"] * (hook is not swell)
    assert children() == []


def end_at_page_one(path: Path, page: int | None) -> None:
    if page == 1:
        os._exit(3)


def stall_at_page_one(path: Path, page: int | None) -> None:
    if page == 1:
        time.sleep(600)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("hook", "reason", "limits"),
    [(end_at_page_one, "crashed", Limits()), (stall_at_page_one, "too-slow", Limits(seconds=1))],
)
def test_a_page_that_harms_its_decoder_costs_that_page(
    orders: list[DecodeRequest],
    reading: Reading,
    monkeypatch: pytest.MonkeyPatch,
    hook: Hook,
    reason: str,
    limits: Limits,
) -> None:
    hooked(monkeypatch, hook)
    stack = order_of(orders[8].file, 0, 1, 2)
    answers = list(decoded([stack, orders[2]], replace(reading, limits=limits), SPEC, 1))
    taken = [(case, one) for order, answer in answers for case, one in zip(order.cases, answer.cases, strict=True)]
    assert {case.row: reason_of(one.facts["reason"]) for case, one in taken} == {
        0: None,
        1: reason,
        2: None,
        None: None,
    }
    assert len(taken) == 4
    assert children() == []


def test_a_file_that_is_gone_when_its_decoder_has_ended_is_missing(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_and_end(path: Path, _: int | None) -> None:
        path.unlink()
        os._exit(3)

    hooked(monkeypatch, remove_and_end)
    ((_, answer),) = decoded(orders[2:3], reading, SPEC, 1)
    assert (answer.content, reason_of(answer.cases[0].facts["reason"])) == (b"", "missing")


def test_our_own_mistake_is_not_the_file_s(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _: int | None) -> None:
        raise KeyError(str(path))

    hooked(monkeypatch, fail)
    with pytest.raises(RuntimeError) as caught:
        list(decoded(orders, reading, SPEC, 2))
    assert str(caught.value) == "decoding failed with KeyError; please report it"
    assert children() == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_is_killed_from_outside_costs_no_file(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    """As by a system that is out of memory."""
    pid = tmp_path / "pid"

    def wait_for_the_end(path: Path, _: int | None) -> None:
        if path.name == "3.png" and not pid.exists():
            pid.write_text(f"{os.getpid()}.", encoding="ascii")
            time.sleep(600)

    def kill() -> None:
        while not (pid.exists() and pid.read_text(encoding="ascii").endswith(".")):
            time.sleep(0.01)
        os.kill(int(pid.read_text(encoding="ascii")[:-1]), signal.SIGKILL)

    hooked(monkeypatch, wait_for_the_end)
    killer = threading.Thread(target=kill)
    killer.start()
    answers = list(decoded(orders, reading, SPEC, workers))
    killer.join()
    assert {order for order, _ in answers} == set(orders)
    assert [name for name, found in reasons(answers).items() if found != [None] * len(found)] == []
    assert children() == []


def test_who_stops_early_leaves_no_process(orders: list[DecodeRequest], reading: Reading) -> None:
    answers = decoded(orders * 20, reading, SPEC, 2)
    next(answers)
    assert len(children()) == 2
    answers.close()  # type: ignore[attr-defined]
    assert children() == []

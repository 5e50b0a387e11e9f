"""A pool of which nothing more comes is started again; a job that never ends stands for its lock, held by nobody."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pebble
import pytest
from PIL import Image

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.images import decode_pool, reader
from fedgraft.client.images.decode_pool import DecodeReply, DecodeRequest, decoded
from fedgraft.client.images.grey_levels import Levels
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.images.raster import read_picture
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.limits import Limits
from fedgraft.common.interfaces.inputs import ImageSpec

SPEC = ImageSpec(1, 16, (0.5,), (0.5,), "bilinear")


@pytest.fixture
def orders(tmp_path: Path) -> list[DecodeRequest]:
    """Six pictures."""
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        Image.fromarray(np.arange(number, number + 64, dtype=np.uint8).reshape(8, 8)).save(path)
    return [DecodeRequest(str(path), (Case(str(path), "x", path.stem),)) for path in paths]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("times", "expected"), [(1, None), (2, "crashed")])
def test_a_stuck_pool_is_started_again_and_a_file_that_is_stuck_twice_is_left_out(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch, times: int, expected: str | None
) -> None:
    schedule, stuck = decode_pool._schedule, []

    def never(pool: Any, order: DecodeRequest, *rest: Any) -> Future[DecodeReply]:
        if order == orders[2] and len(stuck) < times:
            stuck.append(order)
            return Future()
        return schedule(pool, order, *rest)

    monkeypatch.setattr(decode_pool, "_schedule", never)
    monkeypatch.setattr(decode_pool, "_GRACE_SECONDS", 2.0)
    quick = replace(reading, limits=replace(reading.limits, seconds=0.5))
    answers = list(decoded(orders, quick, SPEC, 1))
    assert [order for order, _ in answers] == orders
    found = [reason_of(answer.cases[0].facts["reason"]) for _, answer in answers]
    assert found == [None, None, expected, None, None, None]
    assert len(stuck) == times


@pytest.mark.timeout(180)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_with_the_lock_costs_no_file(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int
) -> None:
    """pebble's own: whoever waits for it gives up after a minute, here after some seconds, and the pool breaks. (A busy
    machine lets a process wait for half a second even where nobody died.)"""
    monkeypatch.setattr(pebble.CONSTS, "channel_lock_timeout", 4.0)

    def read(path: Path, limits: Limits, page: int | None, levels: Levels) -> DecodedImage:
        if path.name == "3.png" and not (tmp_path / "held").exists():
            (tmp_path / "held").touch()
            frame = sys._getframe()
            while "channel" not in frame.f_locals:
                frame = frame.f_back  # type: ignore[assignment]
            frame.f_locals["channel"].mutex.acquire()
            os.kill(os.getpid(), signal.SIGKILL)
        return read_picture(path, limits, page, levels)

    monkeypatch.setattr(reader, "read_picture", read)
    answers = list(decoded(orders * 5, reading, SPEC, workers))
    assert Counter(order for order, _ in answers) == Counter(orders * 5)
    assert {reason_of(answer.cases[0].facts["reason"]) for _, answer in answers} == {None}


def test_where_no_process_can_be_started_it_is_not_the_files(
    orders: list[DecodeRequest], reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr("pebble.pool.process.launch_process", refuse)
    with pytest.raises(RuntimeError) as caught:
        list(decoded(orders, reading, SPEC, 2))
    assert str(caught.value) == "decoding failed with BrokenProcessPool; please report it"

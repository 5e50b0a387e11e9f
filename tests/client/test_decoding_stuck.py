"""A pool of which nothing more comes is started again; a job that never ends stands for its lock, held by nobody."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fedgraft.client import decoding
from fedgraft.client.decoding import Answer, Order, decoded
from fedgraft.client.facts import reason_of
from fedgraft.client.images import Reading
from fedgraft.client.manifest import Case
from fedgraft.common.backbone import InputSpec

SPEC = InputSpec(1, 16, (0.5,), (0.5,), "bilinear")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("times", "expected"), [(1, None), (2, "crashed")])
def test_a_stuck_pool_is_started_again_and_a_file_that_is_stuck_twice_is_left_out(
    tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch, times: int, expected: str | None
) -> None:
    orders = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.arange(number, number + 64, dtype=np.uint8).reshape(8, 8)).save(path)
        orders.append(Order(str(path), (Case(str(path), "x", f"p{number}"),)))
    schedule, stuck = decoding._schedule, []

    def never(pool: Any, order: Order, *rest: Any) -> Future[Answer]:
        if order == orders[2] and len(stuck) < times:
            stuck.append(order)
            return Future()
        return schedule(pool, order, *rest)

    monkeypatch.setattr(decoding, "_schedule", never)
    monkeypatch.setattr(decoding, "_GRACE_SECONDS", 2.0)
    quick = replace(reading, limits=replace(reading.limits, seconds=0.5))
    answers = list(decoded(orders, quick, SPEC, 1))
    assert [order for order, _ in answers] == orders
    found = [reason_of(answer.taken[0].facts["reason"]) for _, answer in answers]
    assert found == [None, None, expected, None, None, None]
    assert len(stuck) == times

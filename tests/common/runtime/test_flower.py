"""Flower's own functions, made quicker in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flwr.supercore.inflatable import inflatable_utils

from fedgraft.common.runtime import flower

FUNCTIONS: tuple[Any, ...] = (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = [dict(function.__kwdefaults__) for function in FUNCTIONS]
    yield
    for function, defaults in zip(FUNCTIONS, before, strict=True):
        function.__kwdefaults__.update(defaults)


def test_a_piece_that_has_not_come_is_asked_for_again_soon() -> None:
    asked = list[str]()

    def pull(name: str) -> bytes:
        asked.append(name)
        if len(asked) < 3:
            raise inflatable_utils.ObjectUnavailableError(name)
        return b"here"

    flower.ask_soon()
    assert inflatable_utils.pull_objects(["a"], pull) == {"a": b"here"}
    assert asked == ["a"] * 3
    for function in FUNCTIONS:
        assert (function.__kwdefaults__["initial_backoff"], function.__kwdefaults__["backoff_cap"]) == (0.1, 10)


def test_a_flwr_that_waits_otherwise_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(inflatable_utils, "pull_objects")
    flower.ask_soon()

"""The patient collector still collects, and everything is as before afterwards."""

from __future__ import annotations

import gc
import weakref

import pytest

from fedgraft.common.runtime.gc_tuning import relaxed_gc


class Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


def test_thresholds_and_generations_are_as_before_even_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ZeroDivisionError), relaxed_gc():
        assert gc.get_threshold()[0] > before[0] and gc.get_freeze_count() > 0
        _ = 1 / 0
    assert gc.get_threshold() == before and gc.get_freeze_count() == 0


def test_cycles_made_within_are_freed() -> None:
    with relaxed_gc():
        seen = weakref.ref(Knot())
        kept = [[i] for i in range(150_000)]
        assert seen() is None
    assert len(kept) == 150_000

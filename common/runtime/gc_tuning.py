"""Python's cyclic garbage collector while rounds run.

A round makes thousands of small objects that reference counting frees. By default the collector runs every 700 of them,
and now and then scans everything that importing torch made: a fifth of a round's overhead.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (100_000, 20, 100)


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Within the block the collector runs less often, and does not scan objects that existed before."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()

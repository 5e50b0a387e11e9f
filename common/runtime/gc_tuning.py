"""Python's cyclic garbage collector while modules are imported and while rounds run.

A round makes thousands of small objects that reference counting frees. By default the collector runs every 700 of them,
and now and then scans everything that importing torch made: a fifth of a round's overhead.
"""

from __future__ import annotations

import atexit
import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_THRESHOLDS = (100_000, 20, 100)


def imported(module: str) -> ModuleType:
    """Import a module without garbage collection: what an import makes stays, and looking through it takes half a
    second."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.freeze)  # nor is it worth looking through at the end


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

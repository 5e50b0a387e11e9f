"""A run that is told to end ends as by Ctrl-C, so that it says how it goes on: a cluster's time limit, ``timeout``."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_to_end() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C in this process; those that it forks end at once, as ever. Nothing in another thread.

    Raises:
        KeyboardInterrupt: this process got SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() == own:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

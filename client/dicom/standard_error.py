"""What a native library writes to the process's standard error: kept from the site's log, and taken for what it is.

GDCM's JPEG decoder goes on after damaged data: it invents pixels, and a line on standard error is all that tells.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def watched(work: Callable[[], T]) -> tuple[T, bool]:
    """Run ``work`` with standard error kept back; its result, and whether it wrote anything.

    It is the whole process's standard error: what another thread writes meanwhile is lost, and counts.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed, as for a daemon: then nothing can be written
        return work(), False
    try:
        with tempfile.TemporaryFile() as caught:
            os.dup2(caught.fileno(), 2)
            try:
                result = work()
            finally:
                os.dup2(kept, 2)
            return result, os.lseek(caught.fileno(), 0, os.SEEK_END) > 0
    finally:
        os.close(kept)

"""What malloc does with memory that this process has freed."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let this process keep up to 1 GiB of freed memory for reuse; ``False`` if malloc is not glibc's.

    By default glibc returns large activations to the system at once, and the next layer's have to be mapped and cleared
    again, page by page: at 224 pixels that is 9 ms of an image's 28. So it does with the updates of a round.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))

"""Moments and times in words."""

from __future__ import annotations

import time


def ago(seconds: float) -> str:
    """A time that has passed, in words: ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    for unit, length in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def clock_time(moment: float) -> str:
    """A moment by this machine's clock: ``14:02:11``, with the day if that was another."""
    then, today = time.localtime(moment), time.localtime()
    same_day = (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", then)

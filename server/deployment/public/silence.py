"""Sites that were not heard for a minute: flagged by name while a run goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedgraft.server.deployment.public.announced import Announced

SILENT_SECONDS = 60.0
"""A site tells of itself every 20 seconds while it is connected."""


def silent_since(names: Iterable[str], announced: Mapping[str, Announced], now: float) -> dict[str, float]:
    """When each silent site was heard last, in seconds since 1970; without those that never told anything (an older
    fedgraft)."""
    heard = {name: announced[name].received for name in names if name in announced}
    return {name: last for name, last in heard.items() if now - last > SILENT_SECONDS}


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


@dataclass
class SilenceNews:
    """Says once when a site falls silent, and once when it is heard again."""

    _known: set[str] = field(default_factory=set)

    def lines(self, names: Iterable[str], announced: Mapping[str, Announced], now: float) -> list[str]:
        """What has changed since the last call."""
        silent = silent_since(names, announced, now)
        said = [
            f"site {name} is silent since {clock_time(last)}: is its machine on, its line, `fedgraft site start`?"
            for name, last in silent.items()
            if name not in self._known
        ]
        said += [f"site {name} is heard again" for name in sorted(self._known - silent.keys())]
        self._known = set(silent)
        return said

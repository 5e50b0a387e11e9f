"""Sites that were not heard for three quarters of a minute: flagged by name while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedgraft.common.runtime.moments import clock_time
from fedgraft.server.deployment.public.announced import Announced

SILENT_SECONDS = 45.0
"""A site tells of itself every 20 seconds while it is connected: it has missed two times. Whoever looks does so every
few seconds, so that a site is flagged within a minute."""


def silent_since(names: Iterable[str], announced: Mapping[str, Announced], now: float) -> dict[str, float]:
    """When each silent site was heard last, in seconds since 1970; without those that never told anything (an older
    fedgraft)."""
    heard = {name: announced[name].received for name in names if name in announced}
    return {name: last for name, last in heard.items() if now - last > SILENT_SECONDS}


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

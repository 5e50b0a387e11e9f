"""Sites that were not heard for three quarters of a minute: flagged by name while a run goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fedgraft.server.deployment.public.announced import Announced

SILENT_SECONDS = 45.0
"""A site tells of itself every 20 seconds while it is connected: it has missed two times. Whoever looks does so every
few seconds, so that a site is flagged within a minute."""


def silent_since(names: Iterable[str], announced: Mapping[str, Announced], now: float) -> dict[str, float]:
    """When each silent site was heard last, in seconds since 1970; without those that never told anything (an older
    fedgraft)."""
    heard = {name: announced[name].received for name in names if name in announced}
    return {name: last for name, last in heard.items() if now - last > SILENT_SECONDS}

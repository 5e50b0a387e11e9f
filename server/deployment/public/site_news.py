"""What a coordinator's terminal says of its sites: who applied, registered, connected, left, fell silent, is back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites
from fedgraft.server.deployment.invitations import invited
from fedgraft.server.deployment.public.announced import Announced, read_announced
from fedgraft.server.deployment.public.silence import silent_since

EVERY_SECONDS = 5.0
State = Literal["away", "here", "silent"]


class SiteNews:
    """Says each change once.

    Args:
        since: seconds since 1970; a site is connected once it was heard after that. ``None``: what is so at the first
            look is no news, but for sites that are silent.
    """

    def __init__(self, since: float | None = None) -> None:
        self._since = since
        self._keys: dict[str, str] | None = None
        self._states: dict[str, State] = {}
        self._applied: dict[str, str | None] = {}

    def lines(self, sites: Sequence[RegisteredSite], announced: Mapping[str, Announced], now: float) -> list[str]:
        """What has changed among registered sites since the last call.

        Args:
            announced: what sites told last, by name.
            now: seconds since 1970.
        """
        keys = {site.name: site.fingerprint for site in sites}
        known = keys if self._keys is None else self._keys
        said = [f"site {name} is registered, with the key {keys[name]}" for name in keys if name not in known]
        said += [
            f"site {name} has another key from now on: {keys[name]}"
            for name in keys
            if known.get(name, keys[name]) != keys[name]
        ]
        said += [f"site {name} left or was unregistered" for name in known if name not in keys]
        assumed: State = "here" if self._keys is None and self._since is None else "away"
        self._keys = keys
        before, self._states = self._states, self._states_of(keys, announced, now)
        for name, state in self._states.items():
            line = _line(name, before.get(name, assumed), state, announced)
            if line is not None:
                said.append(line)
        return said

    def applications(self, folder: Folder, now: float) -> list[str]:
        """Who came with an invitation, and with which key, since the last call, and waits for a person."""
        came = {one.name: one.key for one in invited(folder, now) if one.state == "to confirm"}
        before, self._applied = self._applied, {**self._applied, **came}
        return [
            f"site {name} came with its invitation: compare {key} by telephone, then "
            f"fedgraft coordinator confirm {folder.root} {name}"
            for name, key in came.items()
            if before.get(name) != key
        ]

    def _states_of(self, keys: Mapping[str, str], announced: Mapping[str, Announced], now: float) -> dict[str, State]:
        heard = {
            name: announced[name]
            for name in keys
            if name in announced and (self._since is None or announced[name].received > self._since)
        }
        silent = silent_since(keys, heard, now)
        return {name: "silent" if name in silent else "here" if name in heard else "away" for name in keys}


def _line(name: str, before: State, state: State, announced: Mapping[str, Announced]) -> str | None:
    if state == "silent" != before:
        last = clock_time(announced[name].received)
        return f"site {name} is silent since {last}: is its machine on, its line, `fedgraft site start`?"
    if state == "here" != before:
        return f"site {name} is heard again" if before == "silent" else f"site {name} is connected"
    return None


def tell(folder: Folder, stopping: threading.Event) -> None:
    """Look again and again until ``stopping`` is set; a file that is damaged or being restored is looked at later."""
    news = SiteNews(time.time())
    while not stopping.is_set():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            now = time.time()
            for line in news.applications(folder, now) + news.lines(read_sites(folder), read_announced(folder), now):
                say(line)
        stopping.wait(EVERY_SECONDS)

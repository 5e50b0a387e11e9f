"""The federation as the console reads it: at most once a second, whoever asks, and Flower's word twice a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment import flower_cli
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.watching.snapshot import Federation, federation

LOOK_SECONDS = 1.0
HEALTH_SECONDS, STATES_SECONDS = 5.0, 30.0
"""Asking Flower for the sites' states starts a process of its own, for a second of a core."""


@dataclass
class Looking:
    """What was read last, and when, by `time.monotonic`."""

    folder: Folder
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: tuple[float, Federation | None] = (0.0, None)
    _runs: tuple[float, bool | None] = (0.0, None)
    _states: tuple[float, Mapping[str, str] | None] = (0.0, None)

    def __call__(self) -> Federation:
        """The federation now."""
        with self._lock:
            moment, seen = self._seen
            if seen is None or time.monotonic() - moment > LOOK_SECONDS:
                seen = federation(self.folder, self._known_states(), self._running(), time.time())
                self._seen = (time.monotonic(), seen)
            return seen

    def again(self) -> None:
        """Something was changed: read it again."""
        with self._lock:
            self._seen, self._states = (0.0, None), (0.0, None)

    def _running(self) -> bool:
        moment, runs = self._runs
        if runs is None or time.monotonic() - moment > HEALTH_SECONDS:
            runs = is_healthy(self.folder, self.folder.settings().internal_port)
            self._runs = (time.monotonic(), runs)
        return runs

    def _known_states(self) -> Mapping[str, str] | None:
        if not self._running():
            return None
        moment, states = self._states
        if states is None or time.monotonic() - moment > STATES_SECONDS:
            try:
                states = flower_cli.node_states(self.folder)
            except DeploymentError:
                states = None
            self._states = (time.monotonic(), states)
        return states

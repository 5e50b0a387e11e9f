"""The federation as the console reads it: at most once a second, whoever asks, and Flower's word twice a minute.

Flower is asked in the background, so that a page never waits for a coordinator that is slow, or is gone.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.watching.snapshot import Federation, federation

LOOK_SECONDS = 1.0
HEALTH_SECONDS, STATES_SECONDS = 5.0, 30.0
"""Asking Flower for the sites' states starts a process of its own, for a second of a core."""
FIRST_SECONDS = 1.0
"""So long the first look waits for whether the coordinator answers."""


@dataclass
class Looking:
    """What was read last, and when, by `time.monotonic`."""

    folder: Folder
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: tuple[float, Federation] | None = None
    _running: bool | None = None
    _states: Mapping[str, str] | None = None
    _asked: float | None = None
    _told: float | None = None
    _asker: threading.Thread | None = None

    def __call__(self) -> Federation:
        """The federation now."""
        with self._lock:
            if self._seen is None or _is_older(self._seen[0], LOOK_SECONDS):
                self._ask()
                seen = federation(self.folder, self._states, self._running, time.time())
                self._seen = (time.monotonic(), seen)
            return self._seen[1]

    def again(self) -> None:
        """Something was changed: read it again."""
        with self._lock:
            self._seen, self._told = None, None

    def _ask(self) -> None:
        """Ask the coordinator in the background, if the last answer is old and nobody asks already."""
        if self._asker is not None and self._asker.is_alive():
            return
        if _is_older(self._asked, HEALTH_SECONDS) or (self._running and _is_older(self._told, STATES_SECONDS)):
            first = self._asked is None
            self._asker = threading.Thread(target=self._answer, daemon=True)
            self._asker.start()
            if first:
                self._asker.join(FIRST_SECONDS)

    def _answer(self) -> None:
        self._running = is_healthy(self.folder, self.folder.settings().internal_port)
        self._asked = time.monotonic()
        if not self._running:
            self._states, self._told = None, None
        elif _is_older(self._told, STATES_SECONDS):
            try:
                self._states = orders.node_states(self.folder)
            except (DeploymentError, OSError, subprocess.SubprocessError):
                self._states = None
            self._told = time.monotonic()


def _is_older(moment: float | None, seconds: float) -> bool:
    return moment is None or time.monotonic() - moment > seconds

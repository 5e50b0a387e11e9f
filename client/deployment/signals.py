"""What a site's supervisor and its SuperNode say to each other without words."""

from __future__ import annotations

import signal

EXECUTOR_ENDED = signal.SIGUSR1
"""The supervisor to the SuperNode: whoever worked on the present task is gone."""
UNUSABLE = 2
"""The SuperNode's exit code for a flwr that can't be made to answer every message; its last line says why."""

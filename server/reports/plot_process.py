"""Plot a run in a process of its own, which imports matplotlib while the run goes on.

Importing matplotlib and plotting take about a second; on a second core they take none of the run's time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedgraft.common.errors import FedGraftError
from fedgraft.common.runtime.flower import module


class PlotProcess:
    """A waiting process that will plot to the file ``path``."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        self._path, self._process = path, process

    def draw(self, lines: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
        """Plot the lines of ``rounds.jsonl`` and the content of ``summary.json``; returns when the file is written.

        Raises:
            FedGraftError: it could not be drawn.
        """
        _, trouble = self._process.communicate(json.dumps({"lines": list(lines), "summary": summary}))
        if self._process.returncode != 0:
            last = (trouble.strip().splitlines() or ["it wrote nothing"])[-1]
            raise FedGraftError(f"{self._path} could not be drawn ({last}); everything else of the run is written")


@contextmanager
def picture(path: Path) -> Iterator[PlotProcess]:
    """Start a `PlotProcess`; leaving the block without plotting ends it."""
    command = module("fedgraft.server.reports.plot", str(path))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True) as process:
        try:
            yield PlotProcess(path, process)
        finally:
            process.kill()

"""What a run that waits says: a line now and then, and ``waiting.json`` in its folder for whoever watches it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.files import replacing
from fedgraft.server.patience.causes import Cause

WAITING = "waiting.json"
"""In a run's folder, only while the run is below its quorum: ``round``, ``since`` and ``until`` (when it will end),
what is ``needed`` (``sites``, and ``cases`` as a share), the names of sites that are ``present`` and ``missing``, since
when each is (``missing_since``) and why (``causes``: ``code`` and ``what``), and the ``reason`` in a line. Times are
ISO 8601, in UTC."""


@dataclass(frozen=True)
class Waiting:
    """Why a run waits.

    Attributes:
        number: of the round; 0 before the first.
        since, until: when it began to wait, and when it will end.
        sites, cases: the quorum: a number, and a share of all training cases.
        present: names of the sites that are there.
        missing: since when others are not, by name, as far as this run has seen.
        causes: why each of these is, by name.
        reason: in a line.
    """

    number: int
    since: datetime
    until: datetime
    sites: int
    cases: float
    present: Sequence[str]
    missing: Mapping[str, datetime]
    causes: Mapping[str, Cause]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The content of ``waiting.json``."""
        return {
            "round": self.number,
            "since": _stamp(self.since),
            "until": _stamp(self.until),
            "needed": {"sites": self.sites, "cases": self.cases},
            "present": list(self.present),
            "missing": list(self.missing),
            "missing_since": {name: _stamp(since) for name, since in self.missing.items()},
            "causes": {name: asdict(cause) for name, cause in self.causes.items()},
            "reason": self.reason,
        }

    @property
    def sentence(self) -> str:
        """For the run's log."""
        names = ", ".join(
            f"{name} ({self.causes[name].code}, since {since:%d %b %H:%M} UTC)" for name, since in self.missing.items()
        )
        whom = f"missing: {names}" if names else "every registered site is there, and more are needed"
        return f"waiting: {self.reason}; {whom}; without them the run ends on {self.until:%d %b %H:%M} UTC"


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="seconds")


@dataclass(frozen=True)
class Board:
    """Where it is said.

    Attributes:
        out: the run's folder; ``None`` writes no file.
        say: prints a line.
    """

    out: Path | None = None
    say: Callable[[str], None] = field(default=lambda line: print(line, flush=True))

    def show(self, waiting: Waiting) -> None:
        """Write the file; a disk that is full does not end the wait."""
        if self.out is not None:
            with contextlib.suppress(OSError), replacing(self.out / WAITING) as partial:
                partial.write_text(json.dumps(waiting.to_dict(), indent=2) + "\n", encoding="utf-8")

    def clear(self) -> None:
        """The run does not wait."""
        if self.out is not None:
            (self.out / WAITING).unlink(missing_ok=True)

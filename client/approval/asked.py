"""Which plans the coordinator's runs ask for, as it said last when the site told of itself: ``state/asked.json``."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fedgraft.common.runtime.files import replacing
from fedgraft.common.wire.site_facts import ASKED

FILE = "asked.json"
KNOWN_SECONDS = 180.0
"""That a run goes on is not known any more so long after the coordinator said it."""
RunOf = Literal["goes on", "over", "unknown"]
"""Of the run that asked for a plan, as far as the site can know."""


@dataclass(frozen=True)
class Asked:
    """What the coordinator said.

    Attributes:
        at: when it was asked, in seconds since 1970.
        plans: digests of the plans of the runs that go on.
    """

    at: float
    plans: tuple[str, ...]

    def run_of(self, plan: str, came: float, now: float) -> RunOf:
        """
        Args:
            came: when a message of the plan came last, in seconds since 1970. Of one that came after ``at`` the
                coordinator has said nothing yet.
        """
        if self.at <= came:
            return "unknown"
        if plan not in self.plans:
            return "over"
        return "goes on" if now - self.at <= KNOWN_SECONDS else "unknown"


def keep_asked(state: Path, answer: bytes, at: float) -> None:
    """Keep the coordinator's answer; one without plans, as of an older version, says nothing. What can't be written, as
    on a full disk, is said the next time."""
    try:
        plans = json.loads(answer)[ASKED]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(plans, list) and all(isinstance(plan, str) for plan in plans):
        with contextlib.suppress(OSError), replacing(state / FILE, private=True) as partial:
            partial.write_text(json.dumps({"at": at, "plans": plans}) + "\n", encoding="utf-8")


def read_asked(state: Path) -> Asked | None:
    """What the coordinator said last; ``None`` if it has not yet."""
    try:
        held = json.loads((state / FILE).read_text(encoding="utf-8"))
        return Asked(float(held["at"]), tuple(map(str, held["plans"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clock_of(asked: Asked) -> str:
    """When it said that, for a sentence."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(asked.at))

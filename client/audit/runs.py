"""``runs.jsonl``: a line for each run that begins at this site, and each plan with which it goes on."""

from __future__ import annotations

import time
from pathlib import Path

from fedgraft.client.audit.heads import chain_of


def note_run(state: Path, run: int, plan: str) -> None:
    """Note that a run begins here, or goes on with another plan.

    Args:
        plan: its digest.
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    chain_of(state, "runs").append({"time": stamp, "what": "run", "run": run, "plan": plan})

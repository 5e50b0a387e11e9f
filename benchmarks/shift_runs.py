"""Rows of `shift.py` that are trained by steps: plans as `fedgraft simulate` runs them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from shift_found import Column, column_of

import fedgraft as fg
from fedgraft.common import tasks
from fedgraft.simulations.engine.predictions import read_scores


def ran(words: tuple[str, ...], held: str | None, scratch: Path) -> tuple[float, Column]:
    """The AUROC on all training sites' validation cases, and what the final model gives at each site that trained, or
    at the one that was left out."""
    more = () if held is None else (f"hold_out=[{held}]",)
    planned = fg.plan(*words, *more, "engine.threads=1")
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        run = fg.simulate(planned, folder, quiet=True)
        scores = {
            path.name: read_scores(path / "state", tasks.of(planned.plan.data))
            for path in sorted((run.out / "sites").iterdir())
        }
        val = float(run.summary["val"]["auroc"])
    known = {name: one for name, one in scores.items() if one is not None and (held is None or name == held)}
    found = {name: [(one.scores[:, -1], one.truth[:, -1].astype(np.int64))] for name, one in known.items()}
    return val, column_of(found)

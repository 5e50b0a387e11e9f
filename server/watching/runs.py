"""The runs of a coordinator, the newest first: what each was, how it ended, and whether it has a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.runtime.files import whole_lines
from fedgraft.common.runtime.moments import clock_time
from fedgraft.server.deployment.folder import REGISTERED, Folder
from fedgraft.server.deployment.open_runs import last_round, open_runs
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.reports.headline import read_headline
from fedgraft.server.watching.observed import State, figure_of, state_of

REPORT = "report.html"


@dataclass(frozen=True)
class PastRun:
    """A run, one that goes on included.

    Attributes:
        name: of its folder.
        began: when it was submitted, in seconds since 1970.
        number: rounds that are over. ``rounds``: how many it has.
        figure: heading of its headline figure. ``value``: the last one, if it is defined.
        report: whether its folder has a ``report.html``.
    """

    name: str
    began: float
    state: State
    number: int
    rounds: int
    figure: str
    value: float | None
    report: bool


def past_runs(folder: Folder) -> tuple[PastRun, ...]:
    """The runs in ``runs/`` of a coordinator's folder, and open ones that lie elsewhere."""
    found = sorted((_run(out) for out in _folders(folder)), key=lambda one: (one.began, one.name), reverse=True)
    return tuple(found)


def folder_of(folder: Folder, name: str) -> Path | None:
    """The folder of a run by its name; ``None`` if there is none. The name is compared with those that are there."""
    return next((out for out in _folders(folder) if out.name == name), None)


def _folders(folder: Folder) -> Iterator[Path]:
    there = sorted(folder.runs.iterdir()) if folder.runs.is_dir() else []  # of runs elsewhere a link may lie there
    found = dict.fromkeys(out.resolve() for out in (*there, *(run.folder for run in open_runs(folder))))
    yield from (out for out in found if (out / REGISTERED).is_file())


def _run(out: Path) -> PastRun:
    shown, lines = read_headline(out), whole_lines(out / "rounds.jsonl")
    return PastRun(
        name=out.name,
        began=(out / REGISTERED).stat().st_mtime,
        state=state_of(out)[0],
        number=max(last_round(out), len(lines) - 1),
        rounds=shown.rounds,
        figure=shown.heading,
        value=figure_of(json.loads(lines[-1]), shown.figure) if lines else None,
        report=(out / REPORT).is_file(),
    )


def run_table(found: Sequence[PastRun]) -> str:
    """The runs as a text table, one a line."""
    rows = [
        (
            one.name,
            clock_time(one.began),
            one.state,
            f"{max(one.number, 0)} of {one.rounds}",
            "-" if one.value is None else f"{one.figure} {one.value:.3f}",
            "yes" if one.report else "no",
        )
        for one in found
    ]
    return (
        plain_table(("run", "began", "state", "rounds", "figure", "report"), rows) if rows else "no run has begun yet"
    )

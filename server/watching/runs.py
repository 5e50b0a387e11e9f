"""The runs of a coordinator, the newest first: what each was, how it ended, and whether it has a report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.moments import clock_time
from fedgraft.server.deployment.folder import REGISTERED, Folder
from fedgraft.server.deployment.open_runs import last_round, numbers_of, open_runs
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.reports.headline import read_headline
from fedgraft.server.watching.observed import Groups, State, few_of, figure_of, groups_of, state_of
from fedgraft.server.watching.words import figure_with_mark

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
        numbers: Flower's, of which a run that was cut off has several, the last one last; empty for a run of a
            coordinator of an older version.
        folder: where it lies.
        groups: what scores told by groups leave of the figure.
    """

    name: str
    began: float
    state: State
    number: int
    rounds: int
    figure: str
    value: float | None
    report: bool
    numbers: tuple[str, ...]
    folder: str
    groups: Groups = ""


def past_runs(folder: Folder) -> tuple[PastRun, ...]:
    """The runs in ``runs/`` of a coordinator's folder, and those that it submitted into folders elsewhere."""
    numbers = numbers_of(folder)
    found = sorted(
        (_run(out, numbers.get(out, ())) for out in _folders(folder)),
        key=lambda one: (one.began, one.name),
        reverse=True,
    )
    return tuple(found)


def folder_of(folder: Folder, name: str) -> Path | None:
    """The folder of a run by its name; ``None`` if there is none. The name is compared with those that are there."""
    return next((out for out in _folders(folder) if out.name == name), None)


def _folders(folder: Folder) -> Iterator[Path]:
    there = sorted(folder.runs.iterdir()) if folder.runs.is_dir() else []  # of runs elsewhere a link may lie there
    elsewhere = (*reversed(numbers_of(folder)), *(run.folder for run in open_runs(folder)))
    found = dict.fromkeys(out.resolve() for out in (*there, *elsewhere))
    yield from (out for out in found if (out / REGISTERED).is_file())


def _run(out: Path, numbers: Sequence[str]) -> PastRun:
    shown, last = read_headline(out), _last_round(out / "rounds.jsonl")
    return PastRun(
        name=out.name,
        began=(out / REGISTERED).stat().st_mtime,
        state=state_of(out)[0],
        number=max(last_round(out), -1 if last is None else last["round"]),
        rounds=shown.rounds,
        figure=shown.heading,
        value=None if last is None else figure_of(last, shown.figure, few_of(last)),
        groups="" if last is None else groups_of(last),
        report=(out / REPORT).is_file(),
        numbers=tuple(numbers),
        folder=str(out),
    )


def _last_round(path: Path) -> dict[str, Any] | None:
    """The last whole line of ``rounds.jsonl``, without reading the others of a long one; ``None`` if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        for length in (1 << 16, None):
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(0 if length is None else max(0, size - length))
            begins, lines = stream.tell() == 0, stream.read().split(b"\n")[:-1]
            whole = lines if begins else lines[1:]
            if whole:
                found: dict[str, Any] = json.loads(whole[-1])
                return found
    return None


def run_table(found: Sequence[PastRun], home: Path) -> str:
    """The runs as a text table, one a line, with the last of each one's numbers; and where those lie that do not lie in
    the coordinator's folder.

    Args:
        home: its ``runs/``.
    """
    rows = [
        (
            one.name,
            clock_time(one.began),
            one.state,
            f"{max(one.number, 0)} of {one.rounds}",
            figure_with_mark(one.figure, one.value, one.groups),
            "yes" if one.report else "no",
            one.numbers[-1] if one.numbers else "-",
        )
        for one in found
    ]
    if not rows:
        return "no run has begun yet"
    table = plain_table(("run", "began", "state", "rounds", "figure", "report", "number"), rows)
    elsewhere = [f"{one.name} is in {one.folder}" for one in found if Path(one.folder).parent != home.resolve()]
    return "\n".join([table, *elsewhere])

"""A site at one moment, as its own folder shows it. Nothing is written, and nothing is decoded."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fedgraft.client.approval.deciding import Waiting, out_of_bounds, waiting
from fedgraft.client.approval.decisions import Decisions, standing_in
from fedgraft.client.cohort.quarantine import read_remarks
from fedgraft.client.overview.left import Left, read_left
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.causes import UNAPPROVED
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import whole_lines
from fedgraft.common.runtime.only_one import beginning

CHECK, REPORT = "check.html", "report.html"
SHOWN = 50
"""So many decisions are shown."""


@dataclass(frozen=True)
class Decided:
    """A decision about a plan; ``why`` and ``until`` are empty if there is none, ``standing`` is how the plan stands
    now."""

    time: str
    plan: str
    what: str
    by: str
    why: str
    until: str
    standing: str


@dataclass(frozen=True)
class Work:
    """Messages of a kind that were computed here: how many, and seconds in all."""

    what: str
    times: int
    seconds: float


@dataclass(frozen=True)
class Overview:
    """What a site knows of itself.

    Attributes:
        now: seconds since 1970.
        coordinator: its address; ``None`` if the site file names none.
        connected: whether ``fedgraft site start`` runs.
        beyond: the newest plans that ``bounds`` in the site file refused.
        remarks: sentences on its cases, of the last run that read them.
        log: what is wrong with the log of decisions; empty if it is as it was written.
        used: bytes of the site's state and store. ``free``: bytes that the disk still has.
        last_error: code and moment of the last failure; ``None`` if there was none, or it is over: something was
            answered, or decided, since.
        pages: of ``check`` and ``report``, when each was made, in seconds since 1970.
    """

    now: float
    name: str
    coordinator: str | None
    connected: bool
    approval: str
    waiting: tuple[Waiting, ...]
    beyond: tuple[Waiting, ...]
    remarks: tuple[str, ...]
    decided: tuple[Decided, ...]
    log: str
    left: tuple[Left, ...]
    work: tuple[Work, ...]
    used: int
    free: int
    last_error: tuple[str, str] | None
    pages: Mapping[str, float]


def overview(site: SiteFile, now: float) -> Overview:
    """What there is to know now."""
    try:
        decisions = Decisions(site)
        asked, beyond, decided, wrong = waiting(decisions), out_of_bounds(decisions), tuple(_decided(decisions)), ""
    except DataError as error:
        asked, beyond, decided, wrong = (), (), (), str(error)
    return Overview(
        now=now,
        name=site.name,
        coordinator=None if site.coordinator is None else site.coordinator.address,
        connected=is_connected(site.state),
        approval=site.approval,
        waiting=asked,
        beyond=beyond,
        remarks=read_remarks(site.state),
        decided=decided,
        log=wrong,
        left=read_left(site.state),
        work=_work(site.state),
        used=sum(map(_size, dict.fromkeys((site.state, site.shared_store)))) - _counted_twice(site),
        free=shutil.disk_usage(next(path for path in (site.state, *site.state.parents) if path.exists())).free,
        last_error=_last_error(site.state, decided),
        pages={
            name: (site.state / file).stat().st_mtime
            for name, file in (("check", CHECK), ("report", REPORT))
            if (site.state / file).is_file()
        },
    )


def overview_values(found: Overview) -> dict[str, Any]:
    """An overview as plain values, for JSON; what each key means is in docs/console.md."""
    return {
        **asdict(found),
        "now": _stamp(found.now),
        **{
            name: [{**asdict(one), "came": _stamp(one.came)} for one in some]
            for name, some in (("waiting", found.waiting), ("beyond", found.beyond))
        },
        "last_error": None if found.last_error is None else dict(zip(("code", "time"), found.last_error, strict=True)),
        "pages": {name: _stamp(made) for name, made in found.pages.items()},
    }


def is_connected(state: Path) -> bool:
    """Whether ``fedgraft site start`` runs with this state folder."""
    try:
        noted = json.loads((state / "site.lock").read_text(encoding="utf-8") or "[]")
    except (OSError, ValueError):
        return False
    return any(one["name"] == "supervisor" and beginning(one["pid"]) == one["began"] for one in noted)


def _decided(decisions: Decisions) -> Iterator[Decided]:
    """The newest decisions, the last one first."""
    lines, today = decisions.lines(), date.today()
    for line in reversed(lines[-SHOWN:]):
        until = line.get("receipt", {}).get("until") or ""
        standing = standing_in(lines, line["plan"], today)
        yield Decided(line["time"], line["plan"], line["what"], line["by"], line.get("why", ""), until, standing)


def _work(state: Path) -> tuple[Work, ...]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for text in whole_lines(state / "phases.jsonl"):
        line = json.loads(text)
        one = sums[str(line["what"]).removeprefix("query.")]
        one[0] += 1
        one[1] += sum(seconds for seconds in line["seconds"].values() if seconds)
    return tuple(Work(what, int(times), round(seconds, 1)) for what, (times, seconds) in sorted(sums.items()))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _counted_twice(site: SiteFile) -> int:
    """Bytes of a store that lies in the state folder, as it does by default."""
    inside = site.shared_store != site.state and site.shared_store.is_relative_to(site.state)
    return _size(site.shared_store) if inside else 0


def _last_error(state: Path, decided: Sequence[Decided]) -> tuple[str, str] | None:
    lines = whole_lines(state / "errors.jsonl")
    if not lines:
        return None
    line = json.loads(lines[-1])
    moment = str(line.get("time", ""))
    if line.get("code") == UNAPPROVED:
        return None  # it is in what waits
    since = [_last_answer(state), *(one.time for one in decided[:1])]
    return None if max(since) > moment else (str(line.get("code", "unexpected")), moment)


def _last_answer(state: Path) -> str:
    """When an answer of a run left last; empty if none did, or lines were put aside since."""
    for text in reversed(whole_lines(state / RELEASED)):
        line = json.loads(text)
        if line.get("run"):
            return str(line.get("time", ""))
    return ""


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

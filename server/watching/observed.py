"""A run as its folder shows it at one moment. Nothing is written there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from fedgraft.common.causes import waits_for_a_person
from fedgraft.common.runtime.files import whole_lines
from fedgraft.common.runtime.only_one import beginning
from fedgraft.common.runtime.run_lock import LOCK, is_free
from fedgraft.server.deployment.folder import LEFT_OUT, names_in, sites_of
from fedgraft.server.deployment.open_runs import is_complete, last_round, why_ended
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.deployment.public.silence import silent_since
from fedgraft.server.exchange.deployed_grid import Asked, read_now
from fedgraft.server.exchange.ledger import LEARNING, Entry, read_entries
from fedgraft.server.reports.headline import Headline, read_headline

RECENT = 5
"""So many rounds say how long the next one takes."""
WAITING = "waiting.json"
State = Literal["starting", "running", "waiting", "completed", "ended", "cut off"]
Groups = Literal["", "marked", "not given"]
"""Of the headline figure: whether it rests on each case's score, comes from scores in groups and is marked so, or from
so few groups that it is not given."""
ENDS: tuple[State, ...] = ("completed", "ended")


@dataclass(frozen=True)
class SeenSite:
    """One site of a run.

    Attributes:
        heard: when it told of itself last, in seconds since 1970; ``None`` if never.
        silent: whether it was not heard lately (`fedgraft.server.deployment.public.silence`).
        asked: what it was asked last.
        drops: the ledger's lines on it that are not ``ok``, without those that only say that a person has yet to
            decide.
        unapproved: whether its last line says that.
    """

    name: str
    heard: float | None
    silent: bool
    asked: Asked | None
    drops: tuple[Entry, ...]
    unapproved: bool = False


@dataclass(frozen=True)
class SeenRound:
    """A round that is over; round 0 is what there was before training.

    Attributes:
        figure: the headline figure over all sites' cases; ``None`` where it is undefined.
        by_site: the same by site, of those that tell it.
        cases: training cases of the sites that trained, as far as they say so.
        up, down: bytes of what sites sent and were sent for it.
    """

    number: int
    figure: float | None
    by_site: Mapping[str, float]
    sites: int
    cases: int
    seconds: float
    up: int
    down: int


@dataclass(frozen=True)
class Observed:
    """A run at one moment.

    Attributes:
        now: the moment, in seconds since 1970.
        reason: why it ended or waits; empty if there is nothing to say.
        number: rounds that are over; -1 before the first begins. ``rounds``: how many the plan has.
        figure: heading of the headline figure. ``curve``: its values from round 0 on, ``None`` where it is undefined.
        per_round: mean seconds of the last `RECENT` rounds; ``None`` before there is one.
        left_out: sites that the plan did not fit.
        plan: the plan's digest, if that is known.
        course: the rounds that are over.
        groups: what scores told by groups leave of the headline figure.
    """

    out: Path
    now: float
    state: State
    reason: str
    number: int
    rounds: int
    figure: str
    curve: tuple[float | None, ...]
    per_round: float | None
    sites: tuple[SeenSite, ...]
    left_out: tuple[str, ...] = ()
    plan: str = ""
    course: tuple[SeenRound, ...] = ()
    groups: Groups = ""

    @property
    def remaining(self) -> float | None:
        """Seconds to the end, if rounds go on taking what they took; ``None`` if that can't be told."""
        if self.per_round is None or self.state != "running":
            return None
        return self.per_round * (self.rounds - max(self.number, 0))


def observe(out: Path, announced: Mapping[str, Announced], now: float) -> Observed:
    """
    Raises:
        DeploymentError: the folder is none of a run.
    """
    shown, entries = read_headline(out), read_entries(out / "ledger.jsonl")
    lines = _rounds(out)
    cases = _cases(entries)
    course = tuple(_seen(line, shown, cases.get(line["round"], {})) for line in lines)
    state, reason = state_of(out)
    seconds = [one.seconds for one in course if one.number > 0][-RECENT:]
    return Observed(
        out=out,
        now=now,
        state=state,
        reason=reason,
        number=max(last_round(out), len(lines) - 1),
        rounds=shown.rounds,
        figure=shown.heading,
        curve=tuple(one.figure for one in course) if shown.figure else (),
        per_round=mean(seconds) if seconds else None,
        sites=_sites(out, announced, now, entries),
        left_out=tuple(sorted(names_in(out / LEFT_OUT).values())),
        plan=shown.plan,
        course=course,
        groups=groups_of(lines[-1]) if lines else "",
    )


def _rounds(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(out / "rounds.jsonl")]


def _seen(line: Mapping[str, Any], shown: Headline, cases: Mapping[str, int]) -> SeenRound:
    by_site = {name: figure_of(splits, shown.figure, few_of(line, name)) for name, splits in line["sites"].items()}
    return SeenRound(
        number=line["round"],
        figure=figure_of(line, shown.figure, few_of(line)),
        by_site={name: value for name, value in by_site.items() if value is not None},
        sites=len(line["updated"]),
        cases=sum(cases.values()),
        seconds=line["seconds"],
        up=line["bytes"]["up"],
        down=line["bytes"]["down"],
    )


def _cases(entries: Sequence[Entry]) -> dict[int, dict[str, int]]:
    """The training cases of the sites that trained, by round and site."""
    found: dict[int, dict[str, int]] = {}
    for one in entries:
        if one.what in LEARNING and one.outcome == "ok":
            found.setdefault(one.round, {})[one.site] = one.examples or 0
    return found


def figure_of(splits: Mapping[str, Any], figure: str, few: Collection[str] = ()) -> float | None:
    """The headline figure on test cases, or on validation cases if there are none.

    Args:
        few: the splits of which no rank is given, since scores came in too few groups.
    """
    for split in ("test", "val"):
        value = splits.get(split, {}).get(figure)
        if value is not None:
            return None if split in few else float(value)
    return None


def few_of(line: Mapping[str, Any], site: str | None = None) -> list[str]:
    """The splits in which scores of a site came in too few groups, or (``None``) those of too many cases; by a line of
    ``rounds.jsonl``."""
    told = line.get("scores")
    if told is None:
        return []
    if site is None:
        return [split for split, ranked in told["ranked"].items() if not ranked]
    return [split for split, few in told["too_few"].items() if site in few]


def groups_of(line: Mapping[str, Any]) -> Groups:
    """What scores told by groups leave of the headline figure, by the last line of ``rounds.jsonl``."""
    if "scores" not in line:
        return ""
    split = "test" if line["test"]["cases"] else "val"
    return "marked" if line["scores"]["ranked"][split] else "not given"


def state_of(out: Path) -> tuple[State, str]:
    """How a run is, and why it ended or waits."""
    if is_complete(out):
        return "completed", ""
    if not _is_running(out):
        why = why_ended(out)
        if why is not None:
            return "ended", why
        return ("cut off", "its process is gone") if (out / LOCK).is_file() else ("starting", "")
    waiting = _waiting(out)
    return ("running", "") if waiting is None else ("waiting", waiting)


def _is_running(out: Path) -> bool:
    """Whether the run's process is there. Its lock is tried only if it is, so that a process which begins now is not
    kept from taking it."""
    try:
        process = (out / LOCK).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return False
    return process.isdecimal() and beginning(int(process)) is not None and not is_free(out)


def _waiting(out: Path) -> str | None:
    """Why a run waits, and for whom; ``None`` if it does not."""
    try:
        held = json.loads((out / WAITING).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    causes = {name: cause["code"] for name, cause in held.get("causes", {}).items()}
    named = [f"{name} ({causes[name]})" if name in causes else name for name in held.get("missing", ())]
    missing = ", ".join(named) or "nobody that is known"
    return f"{held.get('reason', 'below its quorum')}; missing: {missing}; since {held.get('since', '?')}"


def _waits(entry: Entry) -> bool:
    return entry.outcome != "ok" and waits_for_a_person(entry.reason)


def _sites(out: Path, announced: Mapping[str, Announced], now: float, entries: list[Entry]) -> tuple[SeenSite, ...]:
    asked = read_now(out)
    names = sorted({*sites_of(out), *asked, *(entry.site for entry in entries)})
    silent = silent_since(names, announced, now)
    of_site: dict[str, list[Entry]] = {}
    for entry in entries:
        of_site.setdefault(entry.site, []).append(entry)
    return tuple(
        SeenSite(
            name=name,
            heard=announced[name].received if name in announced else None,
            silent=name in silent,
            asked=asked.get(name),
            drops=tuple(one for one in of_site.get(name, ()) if one.outcome != "ok" and not _waits(one)),
            unapproved=name in of_site and _waits(of_site[name][-1]),
        )
        for name in names
    )

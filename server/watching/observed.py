"""A run as its folder shows it at one moment. Nothing is written there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from fedgraft.common import tasks
from fedgraft.common.errors import DeploymentError
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.plan import Plan, from_json, load_plan
from fedgraft.common.runtime.files import whole_lines
from fedgraft.common.runtime.only_one import beginning
from fedgraft.common.runtime.run_lock import LOCK, is_free
from fedgraft.server.deployment.folder import LEFT_OUT, names_in, sites_of
from fedgraft.server.deployment.open_runs import PLAN, is_complete, last_round, why_ended
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.deployment.public.silence import silent_since
from fedgraft.server.exchange.deployed_grid import Asked, read_now
from fedgraft.server.exchange.ledger import Entry, read_entries

RECENT = 5
"""So many rounds say how long the next one takes."""
WAITING = "waiting.json"
State = Literal["starting", "running", "waiting", "completed", "ended", "cut off"]
ENDS: tuple[State, ...] = ("completed", "ended")


@dataclass(frozen=True)
class SeenSite:
    """One site of a run.

    Attributes:
        heard: when it told of itself last, in seconds since 1970; ``None`` if never.
        silent: whether it was not heard lately (`fedgraft.server.deployment.public.silence`).
        asked: what it was asked last.
        drops: the ledger's lines on it that are not ``ok``.
    """

    name: str
    heard: float | None
    silent: bool
    asked: Asked | None
    drops: tuple[Entry, ...]


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
    plan = _plan(out)
    task = tasks.of(plan.data)
    lines, entries = _rounds(out), read_entries(out / "ledger.jsonl")
    state, reason = _state(out)
    seconds = [line["seconds"] for line in lines if line["round"] > 0][-RECENT:]
    return Observed(
        out=out,
        now=now,
        state=state,
        reason=reason,
        number=max(last_round(out), len(lines) - 1),
        rounds=plan.rounds,
        figure=task.columns[task.headline],
        curve=tuple(_figure(line, task) for line in lines),
        per_round=mean(seconds) if seconds else None,
        sites=_sites(out, announced, now, entries),
        left_out=tuple(sorted(names_in(out / LEFT_OUT).values())),
    )


def _plan(out: Path) -> Plan:
    if (out / PLAN).is_file():
        return from_json((out / PLAN).read_text(encoding="utf-8"))
    if (out / "plan.yaml").is_file():
        return load_plan(out / "plan.yaml")
    raise DeploymentError(f"{out} is not the folder of a run: it has neither {PLAN} nor plan.yaml")


def _rounds(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in whole_lines(out / "rounds.jsonl")]


def _figure(line: Mapping[str, Any], task: AnyTask) -> float | None:
    """A round's headline figure on test cases, or on validation cases if there are none."""
    for split in ("test", "val"):
        value = line[split].get(task.headline)
        if value is not None:
            return float(value)
    return None


def _state(out: Path) -> tuple[State, str]:
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
    missing = ", ".join(held.get("missing", ())) or "nobody that is known"
    return f"{held.get('reason', 'below its quorum')}; missing: {missing}; since {held.get('since', '?')}"


def _sites(out: Path, announced: Mapping[str, Announced], now: float, entries: list[Entry]) -> tuple[SeenSite, ...]:
    asked = read_now(out)
    names = sorted({*sites_of(out), *asked, *(entry.site for entry in entries)})
    silent = silent_since(names, announced, now)
    return tuple(
        SeenSite(
            name=name,
            heard=announced[name].received if name in announced else None,
            silent=name in silent,
            asked=asked.get(name),
            drops=tuple(entry for entry in entries if entry.site == name and entry.outcome != "ok"),
        )
        for name in names
    )

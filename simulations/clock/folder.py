"""Compute the virtual time of a finished run from its folder; write ``clock.jsonl`` and ``clock.png``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import ClockSection, Profile
from fedgraft.common.runtime.chained import content_of
from fedgraft.server.exchange.ledger import Entry
from fedgraft.simulations.clock.case_cost import MeasuredCosts
from fedgraft.simulations.clock.figures import figures, line
from fedgraft.simulations.clock.timeline import Facts, Pace, Work, timeline


def pace_of(clock: ClockSection, sites: Mapping[str, Profile], measured: MeasuredCosts) -> Pace:
    """The `Pace` by a plan's ``clock``, the sites' profiles and the measured costs."""
    return Pace(sites, clock.latency, clock.offline_seconds, measured.costs, measured.backbone)


def read_facts(folder: Path, plan: Plan) -> Facts:
    """Read what happened in a run from its folder.

    The number of a site's evaluated cases is taken from its evaluations, or, if it withheld all, computed by the plan's
    fractions.

    Raises:
        DataError: the folder holds no run, or one that did not end.
    """
    entries = tuple(Entry(**fields) for fields in read_lines(folder / "ledger.jsonl"))
    evaluated = _evaluated(read_lines(folder / "rounds.jsonl"))
    if not any(entry.what == "evaluate" for entry in entries):
        raise DataError(f"{folder} holds a run that did not end: its ledger has no last evaluation")
    ready = [entry for entry in entries if entry.what == "prepare" and entry.outcome == "ok"]
    trained = {entry.site: entry.examples or 0 for entry in ready}
    held_out = plan.data.val_fraction + plan.data.test_fraction
    work = {
        name: Work(cases, evaluated.get(name) or round(cases * held_out / (1 - held_out)))
        for name, cases in trained.items()
    }
    return Facts(entries, work, plan.train.epochs, plan.patience.first_deadline)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``.jsonl`` file.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path.parent} holds no {path.name}; name the folder of a run that has ended")
    return [content_of(json.loads(text)) for text in path.read_text(encoding="utf-8").splitlines()]


def write_clock(folder: Path, facts: Facts, pace: Pace) -> dict[str, Any]:
    """Write ``clock.jsonl`` and ``clock.png``; returns `fedgraft.simulations.clock.figures.figures`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(line(step)) + "\n" for step in timeline(facts, pace)]
    (folder / "clock.jsonl").write_text("".join(lines), encoding="utf-8")
    found = figures(facts, pace)
    from fedgraft.simulations.clock.plot import draw_clock  # matplotlib: half a second, for plans with a clock only

    draw_clock(folder / "clock.png", found)
    return found


def add_to_summary(folder: Path, key: str, found: object) -> None:
    """Add a value to the run's ``summary.json``, or replace it."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**summary, key: found}, indent=2) + "\n", encoding="utf-8")


def site_names(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """The names of a run's sites: a simulation's folders, or, if deployed, the sites that were prepared."""
    folders = [path.parent.name for path in sorted(folder.glob("sites/*/site.yaml"))]
    return folders or sorted({e.site for e in entries if e.what == "prepare" and e.outcome == "ok"})


def _evaluated(rounds: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """By site, the largest number of cases in one of its evaluations, summed over splits."""
    most: dict[str, int] = {}
    for found in rounds:
        for name, splits in found["sites"].items():
            most[name] = max(most.get(name, 0), sum(split["cases"] for split in splits.values()))
    return most

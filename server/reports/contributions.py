"""Who contributed what to a run: cases, rounds, bytes, seconds, and what each site's last update changed."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.markup import Html, tag, together
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import replacing
from fedgraft.server.audit.heads import LEDGER
from fedgraft.server.exchange.deployed_grid import read_spent
from fedgraft.server.exchange.ledger import LEARNING, Entry, read_entries

NAME = "contributions"
"""In a run's folder: ``contributions.csv`` and ``contributions.svg``."""
_ROW, _LEFT, _WIDE, _RIGHT = 26, 150, 420, 130
_Change = tuple[float | None, float | None]
"""The figure without a site's update, and what the update changed."""


@dataclass(frozen=True)
class Contribution:
    """What one site contributed.

    Attributes:
        cases: training cases that it told last; ``None`` if it told none.
        rounds: in which its answer was used for the next model.
        bytes_up, bytes_down: of all messages.
        seconds: from each question to its answer, in all; ``None`` of a simulated run.
        without: the last model's figure without its last update.
        change: the figure with it, less that; positive if the update made the model better.
    """

    site: str
    cases: int | None
    rounds: int
    bytes_up: int
    bytes_down: int
    seconds: float | None
    without: float | None = None
    change: float | None = None


def contributions(run: Path) -> list[Contribution]:
    """What each site contributed to the run in a folder, by name.

    Raises:
        DataError: the folder holds no ledger.
    """
    if not (run / LEDGER).is_file():
        raise DataError(f"{run} holds no {LEDGER}: it is not the folder of a run")
    by_site: dict[str, list[Entry]] = defaultdict(list)
    for entry in read_entries(run / LEDGER):
        by_site[entry.site].append(entry)
    spent, changed = read_spent(run), _changed(run)
    return [_of(site, some, spent.get(site), changed.get(site, (None, None))) for site, some in sorted(by_site.items())]


def headline(run: Path) -> tuple[str, float | None] | None:
    """The figure that changes are of, and the last model's; ``None`` if the run was not asked what sites changed."""
    told = _told(run)
    return None if told is None else (f"{told['split']} {told['headline']}", told["whole"])


def write_csv(path: Path, found: Sequence[Contribution]) -> None:
    """A line for each site."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [one.name for one in fields(Contribution)])
        writer.writeheader()
        writer.writerows(asdict(one) for one in found)


def write_picture(path: Path, found: Sequence[Contribution], figure: str | None) -> None:
    """An SVG: for each site a bar of its training cases, and one of what its last update changed."""
    series = [("training cases", "#4477aa", [float(one.cases or 0) for one in found])]
    if figure is not None:
        series.append((f"change of {figure} by its last update", "#ee6677", [one.change or 0.0 for one in found]))
    names, step = [one.site for one in found], _ROW * (len(found) + 2)
    parts = [_bars(title, colour, names, some, place * step) for place, (title, colour, some) in enumerate(series)]
    box = f"0 0 {_LEFT + _WIDE + _RIGHT} {step * len(series)}"
    space = "http://www.w3.org/2000/svg"
    drawn = tag("svg", *parts, xmlns=space, viewBox=box, role="img", font_family="sans-serif", font_size=13)
    with replacing(path) as partial:
        partial.write_text(f"{drawn}\n", encoding="utf-8")


def _bars(title: str, colour: str, names: Sequence[str], values: Sequence[float], top: float) -> Html:
    low, high = min(0.0, *values), max(0.0, *values)
    scale = _WIDE / ((high - low) or 1.0)
    rows = [tag("text", title, x=10, y=top + _ROW - 8, font_weight="bold")]
    for place, (name, value) in enumerate(zip(names, values, strict=True), 1):
        y, begin = top + place * _ROW, _LEFT + (min(0.0, value) - low) * scale
        long = f"{max(abs(value) * scale, 0.5):.1f}"
        rows.append(tag("text", name, x=10, y=y + 17))
        rows.append(tag("rect", x=f"{begin:.1f}", y=y + 4, width=long, height=_ROW - 8, fill=colour))
        rows.append(tag("text", f"{value:.4g}", x=_LEFT + _WIDE + 8, y=y + 17))
    return together(rows)


def _of(site: str, entries: Sequence[Entry], seconds: float | None, changed: _Change) -> Contribution:
    used = {entry.round for entry in entries if entry.what in LEARNING and entry.outcome == "ok"}
    cases = [entry.examples for entry in entries if entry.examples is not None]
    up, down = sum(entry.bytes_up for entry in entries), sum(entry.bytes_down for entry in entries)
    return Contribution(site, cases[-1] if cases else None, len(used), up, down, seconds, *changed)


def _changed(run: Path) -> Mapping[str, _Change]:
    told = _told(run) or {"whole": None, "without": {}}
    whole = told["whole"]
    return {
        site: (value, None if value is None or whole is None else round(whole - value, 6))
        for site, value in told["without"].items()
    }


def _told(run: Path) -> dict[str, Any] | None:
    file = run / "summary.json"
    found = json.loads(file.read_text(encoding="utf-8")).get(NAME) if file.is_file() else None
    return found or None

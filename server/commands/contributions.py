"""The command ``fedgraft coordinator contributions``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from fedgraft.common.drawing.numbers import duration, size
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import load_plan
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.reports.contributions import (
    NAME,
    Contribution,
    contributions,
    headline,
    write_csv,
    write_picture,
)
from fedgraft.server.watching.choice import choose

DESCRIPTION = """\
From a run's ledger, by site: training cases, rounds in which its answer was used, bytes both ways, the time from each
question to its answer; written as contributions.csv and contributions.svg into the run's folder too. If the run's plan
had `contributions: true`, also what each site's last update changed: the sites evaluated the last model with and
without it. That is an approximation: a site shaped the rounds before as well.
"""
EPILOG = "example: fedgraft coordinator contributions /srv/fedgraft RUN"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "fedgraft coordinator contributions [-h] DIR [RUN] | RUN"
    parser.add_argument("folder", type=Path, metavar="DIR", help="the coordinator's folder, or that of a run alone")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's folder, name or number (default: the last one)")


def run(given: argparse.Namespace) -> int:
    out = _chosen(given.folder, given.run)
    found, figure = contributions(out), headline(out)
    if not found:
        raise DataError(f"{out}: no site answered anything in this run")
    write_csv(out / f"{NAME}.csv", found)
    write_picture(out / f"{NAME}.svg", found, None if figure is None else figure[0])
    for line in _told(out, found, figure):
        say(line)
    return 0


def _chosen(given: Path, named: str | None) -> Path:
    """The run's folder: ``given`` itself, or that of a coordinator in it."""
    folder = Folder(given.resolve())
    return choose(folder, named) if named is not None or folder.settings_file.is_file() else given


def _told(run: Path, found: list[Contribution], figure: tuple[str, float | None] | None) -> Iterator[str]:
    heads = ["site", "cases", "rounds", "sent", "received", "time"]
    rows = [
        (
            one.site,
            "-" if one.cases is None else str(one.cases),
            str(one.rounds),
            size(one.bytes_up),
            size(one.bytes_down),
            duration(one.seconds) if one.seconds is not None else "-",
            *([] if figure is None else [_signed(one.change)]),
        )
        for one in found
    ]
    yield plain_table((*heads, *([] if figure is None else ["change"])), rows)
    yield _sentence(run, figure)
    yield f"wrote {run / NAME}.csv and {NAME}.svg"


def _sentence(run: Path, figure: tuple[str, float | None] | None) -> str:
    if figure is not None:
        name, whole = figure
        known = "undefined" if whole is None else f"{whole:.4g}"
        return (
            f"change: of {name} ({known}) by the site's last update, over all sites that told; an approximation, "
            "since it shaped the rounds before, too"
        )
    plan = load_plan(run / "plan.yaml") if (run / "plan.yaml").is_file() else None
    if plan is not None and plan.aggregation.secure:
        return "what each site's part changed can't be told: aggregation=secure gives the coordinator sums only"
    if plan is not None and plan.contributions:
        return "what each site's part changed is not known: the run did not come to its end, or a single site trained"
    return "what each site's part changed was not asked: a plan with `contributions: true` has the sites evaluate it"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"

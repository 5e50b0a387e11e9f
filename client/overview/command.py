"""The command ``fedgraft site status``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from fedgraft.client.deployment.news import said_of
from fedgraft.client.overview.overview import Overview, overview, overview_values
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.causes import what_to_do_here
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Says whether this site is connected, which plans wait for a person here, what left it, how much disk and time it took,
and what failed last. Reads the site's own folder; nothing is sent, and nothing is changed. Exit code 0: nothing waits;
3: a plan waits for a decision.
"""
WAITS = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    parser.add_argument("--json", action="store_true", help="print JSON instead, for scripts (docs/console.md)")


def run(given: argparse.Namespace) -> int:
    """Show the site.

    Raises:
        SiteFileError: the site's file is wrong.
    """
    site = read_site_file(given.site)
    found = overview(site, time.time())
    if given.json:
        print(json.dumps(overview_values(found), indent=2))
    else:
        for line in _lines(found, site.state):
            say(line)
    return WAITS if found.waiting else 0


def _lines(found: Overview, state: Path) -> Iterator[str]:
    to = "" if found.coordinator is None else f" to {found.coordinator}"
    how = f"connected{to}" if found.connected else "not connected: `fedgraft site start` connects it"
    yield f"{found.name}: {how}"
    if found.log:
        yield found.log
    for one in found.waiting:
        yield f"waits for a decision: plan {one.plan[:16]}; fedgraft site review {one.plan[:8]}"
    for one in found.beyond:
        yield f"refused by `bounds` in site.yaml: plan {one.plan[:16]}; fedgraft site review {one.plan[:8]} says which"
    yield from (f"of its cases: {remark}" for remark in found.remarks)
    sent = sum(one.bytes for one in found.left)
    days = {one.day for one in found.left}
    answers = sum(one.times for one in found.left)
    yield f"left so far: {answers} answers on {len(days)} day(s), {sent:,} bytes of weights"
    yield f"disk: {found.used / 1e6:,.1f} MB used, {found.free / 1e9:,.1f} GB free"
    if found.work:
        seconds = sum(one.seconds for one in found.work)
        yield f"time: {seconds:,.0f} s for {sum(one.times for one in found.work)} messages"
    if found.last_error is not None:
        code, moment = found.last_error
        said = said_of(state, code)
        yield f"last failure, {moment}: {code}: {what_to_do_here(code)}{f' ({said})' if said else ''}"

"""The command ``fedgraft site audit``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fedgraft.client.audit.heads import HEADS, LEDGERS
from fedgraft.client.audit.verify import Audit, verify
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.logs.heads import Statement, read_kept
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Verifies this site's logs (what was released, approved, charged, run, withdrawn, and what went wrong): every line
follows from the one before, and the logs reach as far as the site's signed statement of them says. With --held also as
far as the coordinator knows: it keeps the statement that travels with each reply (heads/NAME.jsonl in its folder; ask
for it). Names the first line that was changed, removed, added or cut off. state/ledgers/RUN.jsonl is what this site
keeps of a run's ledger: the coordinator's own audit takes it. Exit code 0: all as it was written; 1: something was
changed.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example: fedgraft site audit --held north.jsonl"
    parser.add_argument("--held", type=Path, metavar="FILE", help="heads/NAME.jsonl of the coordinator")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    held = [] if given.held is None else statements_in(given.held)
    strangers = sorted({one.of for one in held} - {site.name})
    if strangers:
        raise DataError(f"--held {given.held} is about {', '.join(strangers)}, and this site is {site.name}")
    found = verify(site.state, held)
    if given.json:
        print(json.dumps({"clean": found.is_clean, "logs": [asdict(one) for one in found.logs]}))
    else:
        for line in told(site, found, held):
            say(line)
    return 0 if found.is_clean else 1


def statements_in(path: Path) -> Sequence[Statement]:
    """What the other side kept.

    Raises:
        DataError: it is no file of statements.
    """
    found = read_kept(path)
    if not found:
        raise DataError(f"--held {path} holds no statement about logs")
    return found


def told(site: SiteFile, found: Audit, held: Sequence[Statement]) -> list[str]:
    """What the audit found, line by line."""
    lines = [f"{one.log}: {one.sentence}" for one in found.logs if one.lines or one.problem or one.torn]
    lines += [f"a statement of {one.time} by {one.of} has a signature that does not hold" for one in found.forged]
    if found.damaged:
        lines.append(f"{site.state / HEADS} was changed: a line of it is no statement of this site")
    if found.statement is None:
        lines.append("no signed statement yet: it is made with the first reply; lines that were cut off show by --held")
    else:
        signed = "signed" if found.statement.signature else "not signed, since the site has no key"
        lines.append(f"the site's own statement is of {found.statement.time} ({signed})")
    if held:
        lines.append(f"compared with what the coordinator kept at {held[-1].time}")
    ledgers = sorted((site.state / LEDGERS).glob("*.jsonl"))
    lines += [f"kept of the coordinator's ledger: {path}" for path in ledgers]
    return lines or ["no log yet"]

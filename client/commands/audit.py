"""``fedgraft site audit``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fedgraft.client.audit.heads import HEADS, LEDGERS
from fedgraft.client.audit.verify import Audit, verify
from fedgraft.client.deployment.fetching import asking, get
from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.logs.heads import HEADS_PATH, Statement, read_kept, read_statements
from fedgraft.common.runtime.processes import say

_MOST = 1 << 20
DESCRIPTION = """\
Verifies this site's logs (what was released, approved, charged, run, withdrawn, and what went wrong): every line
follows from the one before, and the logs reach as far as the site's signed statement of them says. With --ask also as
far as the coordinator knows, which keeps the statements that travel with each reply; with --held, as a file of these
knows (heads/NAME.jsonl in the coordinator's folder). Names the first line that was changed, removed, added or cut off.
state/ledgers/RUN.jsonl is what this site keeps of a run's ledger: the coordinator's own audit takes it.
Exit code 0: all as it was written; 1: something was changed.
"""
EPILOG = """\
examples:
  fedgraft site audit
  fedgraft site audit --ask
  fedgraft site audit --held north.jsonl
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--ask", action="store_true", help="ask the coordinator what it kept of this site's statements")
    known.add_argument("--held", type=Path, metavar="FILE", help="heads/NAME.jsonl of the coordinator")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    held: Sequence[Statement] = [] if given.held is None else statements_in(given.held)
    if given.ask:
        held = asked_of(require_coordinator(site, given.site))
    strangers = sorted({one.of for one in held} - {site.name})
    if strangers:
        where = "what the coordinator kept" if given.held is None else f"--held {given.held}"
        raise DataError(f"{where} is about {', '.join(strangers)}, and this site is {site.name}")
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


def asked_of(coordinator: Coordinator) -> Sequence[Statement]:
    """What the coordinator kept.

    Raises:
        DeploymentError: it can't be reached, or does not know this site.
        DataError: it has kept nothing yet.
    """
    with asking(coordinator) as connection:
        found = read_statements(get(connection, coordinator, HEADS_PATH).read(_MOST).decode("utf-8", "replace"))
    if not found:
        raise DataError(f"the coordinator at {coordinator.address} has kept no statement about this site's logs yet")
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

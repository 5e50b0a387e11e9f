"""The command ``fedgraft coordinator audit``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from fedgraft.common.errors import DataError, DeploymentError
from fedgraft.common.logs.heads import Statement, read_kept
from fedgraft.common.runtime.processes import say
from fedgraft.server.audit.heads import HEADS
from fedgraft.server.audit.verify import Audit, verify
from fedgraft.server.deployment.folder import Folder, read_sites
from fedgraft.server.deployment.open_runs import named_run

DESCRIPTION = """\
Verifies the ledger of a run: every line follows from the one before, and it reaches as far as the coordinator's own
signed statement (ledger-heads.jsonl beside it). With --held also as far as sites know: each keeps the statement that
travels with every instruction (state/ledgers/RUN.jsonl there). Names the first line that was changed, removed, added or
cut off. Then what the sites said about their own logs: a site whose log became shorter, or other, is named. Exit code
0: all as it was written; 1: something was changed.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example: fedgraft coordinator audit /srv/fedgraft /srv/fedgraft/runs/RUN --held north-ledger.jsonl"
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("run", metavar="RUN", help="a run's folder, name or number")
    parser.add_argument(
        "--held", type=Path, action="append", default=[], metavar="FILE", help="state/ledgers/RUN.jsonl of a site"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    folder.settings()
    held = [one for path in given.held for one in _held(path)]
    found = verify(named_run(folder, given.run) or Path(given.run), folder.authority, held)
    broken = {site.name: sentence for site in read_sites(folder) if (sentence := what_broke(folder, site.name))}
    if given.json:
        clean = found.is_clean and not broken
        print(json.dumps({"clean": clean, "ledger": asdict(found.ledger), "sites": broken}))
    else:
        for line in _told(folder, found, broken, len(given.held)):
            say(line)
    return 0 if found.is_clean and not broken else 1


def what_broke(folder: Folder, site: str) -> str:
    """What is wrong with what a site said about its logs, over time; empty if nothing is."""
    kept = read_kept(folder.heads / f"{site}.jsonl")
    if len(kept) < 2:
        return ""
    new = kept[-1]
    for old in kept[:-1]:
        for log, head in sorted(old.heads.items()):
            now = new.heads.get(log)
            if now is None or now.lines < head.lines:
                return f"{log} had {head.lines} lines at {old.time} and {now.lines if now else 0} at {new.time}"
            if now.lines == head.lines and now.digest != head.digest:
                return f"{log} had another line {head.lines} at {old.time} than at {new.time}"
    return ""


def _held(path: Path) -> list[Statement]:
    found = list(read_kept(path))
    if not found:
        raise DataError(f"--held {path} holds no statement about a ledger")
    if any("ledger" not in one.heads for one in found):
        raise DeploymentError(f"--held {path} is a site's statement about its own logs: `fedgraft site audit` takes it")
    return found


def _told(folder: Folder, found: Audit, broken: dict[str, str], held: int) -> Iterator[str]:
    yield f"ledger: {found.ledger.sentence}"
    if found.strange:
        yield found.strange
    if found.lost:
        yield f"{found.lost} line(s) of rounds that were begun again follow from it, too"
    yield from (f"a statement of {one.time} has a signature that does not hold" for one in found.forged)
    if found.damaged:
        yield f"{HEADS} beside it was changed: a line of it is no statement of this coordinator"
    if found.statement is None:
        yield "no statement about it: the run was simulated, or is of an older version"
    else:
        signed = "signed" if found.statement.signature else "not signed: ca.key is not here"
        yield f"the coordinator's own statement is of {found.statement.time} ({signed})"
    if held:
        yield f"compared with what {held} site(s) kept"
    for site in read_sites(folder):
        kept = read_kept(folder.heads / f"{site.name}.jsonl")
        if site.name in broken:
            yield f"{site.name}: {broken[site.name]}; its own audit says where: send it heads/{site.name}.jsonl"
        elif kept:
            logs = ", ".join(f"{log} {head.lines}" for log, head in sorted(kept[-1].heads.items()))
            yield f"{site.name}: told the heads of its logs at {kept[-1].time} (lines: {logs})"

"""What goes wrong in a hospital, done on purpose to a real federation over TLS, one thing a run.

    python benchmarks/mishaps.py [--only NAME ...] [--keep DIR]

A coordinator and three sites on loopback (`loopback.py`), reached through a relay that can be cut. A run must end by
itself with the bits of an undisturbed run; or, where a site was away or cases were lost, with that named by site and
round in ``summary.json``. Prints a table; the exit code is 1 if one ended otherwise, or not within ten minutes.
Disks are tmpfs that the drill mounts (root); clocks are moved by `moved_clock.c` (a C compiler). Without these such
drills are not run.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from disturbed import STUCK_SECONDS, NotRunError, Place, WrongError, disk
from loopback import Federation, dropped_in, federation, model_of, wait
from mishap_drills import CEDAR, DRILLS
from rich.console import Console
from rich.table import Table

from fedgraft.server.deployment.open_runs import is_complete, why_ended
from fedgraft.server.exchange.delivery import LATE

WORDS = ("data=phantom", "data.sites=3", "data.cases=120", "data.image_size=32", "rounds=5", "compression=topk")
QUORUM = "patience.quorum_sites=2"
STATE_MB, RUN_MB = 120, 120


def how_it_ended(where: Federation, quiet: Path, away: tuple[str, ...]) -> str:
    """In words, which begin with WRONG if it must not end so.

    Args:
        quiet: the folder of the undisturbed run.
        away: sites that may be missing from a round, if that is named.
    """
    if not wait(where.ended, STUCK_SECONDS):
        return "WRONG: it did not end"
    if not is_complete(where.out):
        return f"WRONG: {why_ended(where.out)}"
    named = "; ".join(filter(None, (named_in(where.out, quiet, site) for site in away)))
    if model_of(where.out) == model_of(quiet):
        return f"same bits; {named}" if named else "same bits"
    return f"finished; {named}" if named else f"WRONG: other bits, and nothing names {' or '.join(away) or 'a reason'}"


def named_in(out: Path, quiet: Path, site: str) -> str:
    """What the run's summary and ledger say of a site, and those of the undisturbed run do not: rounds, reasons,
    counts."""
    summary, known = json.loads((out / "summary.json").read_text(encoding="utf-8")), dropped_in(quiet)
    dropped = [one for one in dropped_in(out) if one[0] == site and one not in known]
    lines = [f"round {number} {what}: {reason}" for _, number, what, reason in dropped]
    ledger = [json.loads(line) for line in (out / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    late = sum(one["outcome"] == LATE and one["site"] == site for one in ledger)
    lost = summary["sites"].get(site, {}).get("quarantined") or {}
    counts = [f"{count} case(s) {reason}" for reason, count in lost.items()]
    more = [f"and {len(lines) - 1} more"] if len(lines) > 1 else []
    said = [*lines[:1], *more, *([f"{late} late answer(s) refused"] if late else []), *counts]
    return f"{site}: {', '.join(said)}" if said else ""


def run_drill(name: str, place: Place, quiet: Path) -> str:
    try:
        away = DRILLS[name](place)
        return how_it_ended(place.where, quiet, away)
    except NotRunError as error:
        return f"not run: {error}"
    except WrongError as error:
        return f"WRONG: {error}"


def main() -> int:
    drills = "\n".join(f"  {name:<30} {(drill.__doc__ or '').strip()}" for name, drill in DRILLS.items())
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        epilog=f"drills:\n{drills}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "--only", nargs="*", choices=DRILLS, default=list(DRILLS), metavar="NAME", help="of those below"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="a new folder, which stays, for all files of the drills"
    )
    given = parser.parse_args()
    ends: dict[str, tuple[str, float]] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # in order: processes are stopped, and disks go
    with nullcontext(str(given.keep)) if given.keep else tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        scratch.mkdir(exist_ok=True)
        with disk(scratch / "sites" / CEDAR / "state", STATE_MB), disk(scratch / "small", RUN_MB) as has_small:
            where = federation(scratch, (*WORDS, QUORUM))
            try:
                place = Place(where, scratch / "small" if has_small else None)
                place.begin("undisturbed")
                place.until_ended()
                quiet = where.out
                for name in given.only:
                    begun = time.monotonic()
                    ends[name] = run_drill(name, place, quiet), time.monotonic() - begun
                    print(f"{name}: {ends[name][0]}", file=sys.stderr, flush=True)
            finally:
                where.stop()
    table = Table("drill", "what happens", "how the run ended", "seconds", show_lines=True)
    for name, (end, seconds) in ends.items():
        table.add_row(name, (DRILLS[name].__doc__ or "").strip(), end, f"{seconds:.0f}")
    Console().print(table)
    return 1 if any(end.startswith("WRONG") for end, _ in ends.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())

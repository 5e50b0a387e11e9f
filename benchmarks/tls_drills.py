"""Kill processes of a real federation at random moments, and see how its runs end.

    python benchmarks/tls_drills.py [--kills 100] [--seed 0] [--only WHO ...]

A coordinator and three sites on loopback over TLS, each under a stand-in for systemd that starts it again. A run of
six rounds is disturbed by kills (SIGKILL) of a process chosen at random, four a run. It must end by itself: with the
bits of an undisturbed run, or with what was lost named by site and round in ``summary.json`` (``dropped``). Prints a
table of who was killed; the exit code is 1 if a run ended otherwise, or not at all within five minutes.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from loopback import Federation, dropped_in, federation, model_of, wait
from rich.console import Console
from rich.table import Table

from fedgraft.server.deployment.open_runs import is_complete, why_ended

KILLS_A_RUN, STUCK_SECONDS = 4, 300.0
WORDS = ("data=phantom", "data.sites=3", "data.cases=120", "data.image_size=32", "rounds=6", "compression=topk")
VICTIMS = ("coordinator", "superlink", "gateway", "server app", "site", "supernode", "executor", "message")


def victim(where: Federation, who: str, chance: random.Random) -> int | None:
    """The process id of a victim; ``None`` if there is none now."""
    if who == "coordinator":
        return where.coordinator.process.pid
    if who in ("superlink", "gateway", "server app"):
        return where.part(who)
    site = chance.choice(list(where.hospitals))
    return where.hospitals[site].process.pid if who == "site" else where.process(site, who)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=VICTIMS, default=VICTIMS, help="whom to kill (all of them)")
    given = parser.parse_args()
    chance, killed, ends = random.Random(given.seed), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        where = federation(Path(folder), (*WORDS, "patience.quorum_sites=2"))
        try:
            before = time.monotonic()
            where.begin(Path(folder) / "whole")
            if not wait(where.ended, STUCK_SECONDS):
                raise SystemExit("the undisturbed run did not end")
            seconds, quiet = time.monotonic() - before, where.out
            print(f"undisturbed: {seconds:.0f} s", file=sys.stderr)
            while killed.total() < given.kills:
                where.begin(Path(folder) / f"run-{ends.total()}")
                whom = disturb(where, given.only, chance, seconds, min(KILLS_A_RUN, given.kills - killed.total()))
                end = how_it_ended(where, quiet)
                killed.update(whom)
                ends[end] += 1
                print(f"killed {', '.join(whom)}: {end}", file=sys.stderr)
                if end.startswith("WRONG"):
                    print(where.coordinator.said()[-3000:], file=sys.stderr)
        finally:
            where.stop()
    show(killed, ends, seconds)
    return 1 if any(end.startswith("WRONG") for end in ends) else 0


def disturb(where: Federation, who: tuple[str, ...], chance: random.Random, seconds: float, times: int) -> list[str]:
    """Kill someone several times while a run goes on; returns whom."""
    whom: list[str] = []
    while len(whom) < times and not where.ended():
        time.sleep(chance.uniform(0, 1.5 * seconds / times))
        name = chance.choice(who)
        pid = victim(where, name, chance)
        if pid is not None and not where.ended():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            whom.append(name)
    return whom


def how_it_ended(where: Federation, quiet: Path) -> str:
    """
    Args:
        quiet: the folder of the undisturbed run.
    """
    if not wait(where.ended, STUCK_SECONDS):
        return "WRONG: it did not end"
    if not is_complete(where.out):
        return f"WRONG: {why_ended(where.out)}"
    if model_of(where.out) == model_of(quiet):
        return "same bits"
    dropped = set(dropped_in(where.out)) - set(dropped_in(quiet))  # a site may abstain also on a quiet day
    return "other bits, the loss named" if dropped else "WRONG: other bits, and nothing named"


def show(killed: Counter[str], ends: Counter[str], seconds: float) -> None:
    for title, counts in (("killed", killed), ("runs that ended with", ends)):
        table = Table(title, "how often")
        for name, count in counts.most_common():
            table.add_row(name, str(count))
        Console().print(table)
    print(f"a run that nobody disturbs takes {seconds:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())

"""How long a run that was killed takes to go on, beside the round that it repeats: a simulated one, and one over TLS.

    FEDGRAFT_DATA=... python benchmarks/resume.py [--times 3]

Simulated: PneumoniaMNIST at ten sites, killed (SIGKILL) after five rounds and resumed by the command; until it has
ended its next round. The processor's seconds of it, which other work on the machine does not change, are told, too.
Over TLS: three small sites; the run's ServerApp is killed, which `coordinator start` notices and submits again. Each
less the run's median round.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from loopback import ENVIRONMENT, federation, wait
from measure import FEDGRAFT
from rich.console import Console
from rich.table import Table

from fedgraft.server.deployment.open_runs import last_round

SIMULATED = ("data=pneumoniamnist", "data.image_size=64", "partition.sites=10", "rounds=2000")
DEPLOYED = ("data=phantom", "data.sites=3", "data.cases=120", "data.image_size=32", "rounds=100")
ROUNDS, STUCK_SECONDS = 5, 600.0
Found = tuple[list[float], list[float], list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="of each kind (%(default)s)")
    given = parser.parse_args()
    table = Table("run", "a round, s", "from the kill to the next round's end, less a round, s", "processor, s")
    for name, measured in (("simulated", simulated), ("over TLS", deployed)):
        with tempfile.TemporaryDirectory() as folder:
            rounds, seconds, busy = measured(Path(folder), given.times)
        median = statistics.median(rounds)
        beside = sorted(one - median for one in seconds)
        table.add_row(name, f"{median:.2f}", listed(beside), listed(sorted(busy)))
    Console().print(table)
    return 0


def simulated(folder: Path, times: int) -> Found:
    """Seconds of the rounds, of each resumption, and of the processor for it."""
    out, spent, busy = folder / "run", list[float](), list[float]()
    running = started("simulate", *SIMULATED, f"hydra.run.dir={out}")
    try:
        for _ in range(times):
            await_round(out, last_round(out) + ROUNDS)
            running.kill()
            running.wait()
            number, begun = last_round(out), time.monotonic()
            running = started("simulate", f"resume={out}")
            await_round(out, number + 1)
            spent.append(time.monotonic() - begun)
            busy.append(processor_of(running.pid))
    finally:
        running.kill()
        running.wait()
    return rounds_of(out), spent, busy


def deployed(folder: Path, times: int) -> Found:
    """The same, over TLS; without the processor's seconds, of a dozen processes."""
    where, spent = federation(folder, DEPLOYED), list[float]()
    try:
        where.begin(folder / "run")
        for _ in range(times):
            await_round(where.out, last_round(where.out) + ROUNDS)
            pid = where.part("server app")
            assert pid is not None, "a run goes on"
            number, begun = last_round(where.out), time.monotonic()
            os.kill(pid, signal.SIGKILL)
            await_round(where.out, number + 1)
            spent.append(time.monotonic() - begun)
    finally:
        where.stop()
    return rounds_of(where.out), spent, []


def started(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*FEDGRAFT, *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL)


def rounds_of(out: Path) -> list[float]:
    lines = (out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["seconds"] for line in lines[1:]]


def processor_of(pid: int) -> float:
    """Seconds of the processor that a process has had (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listed(seconds: list[float]) -> str:
    return ", ".join(f"{one:.1f}" for one in seconds)


def await_round(out: Path, number: int) -> None:
    if not wait(lambda: last_round(out) >= number, STUCK_SECONDS, pause=0.02):
        sys.exit(f"{out}: round {number} was never reached")


if __name__ == "__main__":
    raise SystemExit(main())

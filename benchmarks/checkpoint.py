"""What a checkpoint costs: its part of a round, for a head, for every depth, and for trained stages.

    FEDGRAFT_DATA=... python benchmarks/checkpoint.py [--durable]

PneumoniaMNIST at ten sites, or small phantom sites, in this process; each round's checkpoint is timed within the round.
With ``--durable`` each is on the disk before the run goes on, as in a deployment (whose rounds take seconds longer).
The last column is the part of the processor's time, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

import fedgraft as fg
from fedgraft.server.checkpoints.folder import Checkpoints

FILMS = ("data=pneumoniamnist", "data.image_size=64", "partition.sites=10")
WORK = {
    "head on kept features (the reference work)": (*FILMS, "rounds=12"),
    "every depth, exact head": (*FILMS, "features=taps", "head=plain", "strategy=exact", "rounds=4"),
    "trained stages, four small sites": ("data=phantom", "data.image_size=64", "backbone.freeze=blocks.4", "rounds=4"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--durable", action="store_true", help="wait for the disk, as a deployed coordinator does")
    given = parser.parse_args()
    names = ("work", "round, s", "checkpoint, ms", "checkpoint / round", "of processor time", "kB on disk")
    table = Table(*names)
    for name, words in WORK.items():
        print(name, file=sys.stderr)
        spent = timed(given.durable)
        with tempfile.TemporaryDirectory() as folder:
            run = fg.simulate(fg.plan(*words), folder, quiet=True)
            rounds = [row["seconds"] for row in lines(Path(folder) / "rounds.jsonl")[1:]]
            size = max(file.stat().st_size for file in (run.out / "checkpoint").iterdir()) / 1e3
        each, whole = statistics.median(one.seconds for one in spent[1:]), statistics.median(rounds)
        between = statistics.median(b.began - a.began for a, b in pairwise(spent))
        busy = statistics.median(one.processor for one in spent[1:]) / between
        cells = (f"{whole:.3f}", f"{1e3 * each:.2f}", f"{each / whole:.2%}", f"{busy:.2%}", f"{size:,.0f}")
        table.add_row(name, *cells)
    Console().print(table)
    return 0


class Spent(NamedTuple):
    """What one checkpoint took.

    Attributes:
        seconds: by the clock.
        processor: seconds of this process.
        began: seconds of this process before it.
    """

    seconds: float
    processor: float
    began: float


def timed(durable: bool) -> list[Spent]:
    """Of each checkpoint that is written from now on."""
    spent: list[Spent] = []
    before = getattr(Checkpoints.write, "__wrapped__", Checkpoints.write)

    @wraps(before)
    def write(self: Checkpoints, checkpoint: Any) -> None:
        begun, busy = time.perf_counter(), time.process_time()
        before(Checkpoints(self.out, durable), checkpoint)
        spent.append(Spent(time.perf_counter() - begun, time.process_time() - busy, busy))

    Checkpoints.write = write  # type: ignore[method-assign]
    return spent


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    raise SystemExit(main())

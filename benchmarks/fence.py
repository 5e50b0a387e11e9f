"""What the fence costs: a round of the reference work with it on and off, in turns, in one process.

    FEDGRAFT_DATA=... python benchmarks/fence.py [--rounds 20] [--times 5] [OVERRIDE ...]

On: each hospital lets an update leave only if it rests on five patients in every unit (``release.min_patients``), as a
deployed one does; off: one patient is enough, as in simulations over public data. Processor time, so that other
programs count less; of each run the median over its rounds and their mean, of each the smallest over the runs. Ten
hospitals are trained one after another here; what a message takes at a deployed one, `deployed.py` says.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

from plans import plan_of
from reference import PLAN
from rich.console import Console

from fedgraft.server.rounds import loop
from fedgraft.simulations.engine.run import simulate_over
from fedgraft.simulations.federation.sites import partition_cases, write_sites

OFF, ON = 1, 5
SITES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="for the plan, for instance backbone.freeze=blocks.5")
    given = parser.parse_args()
    plan = plan_of(*PLAN, "engine.workers=0", "engine.threads=1", f"rounds={given.rounds}", *given.overrides)
    found: dict[int, list[list[float]]] = {OFF: [], ON: []}
    refused = dict.fromkeys(found, 0)
    with tempfile.TemporaryDirectory(prefix="fedgraft-fence-") as folder:
        partitioned = partition_cases(plan, os.environ)
        for number in range(given.times + 1):
            for patients in (OFF, ON) if number % 2 else (ON, OFF):
                out = Path(folder) / f"{number}-{patients}"
                sites = write_sites(plan, partitioned, out / "sites", os.environ, min_patients=patients)
                took = _rounds(lambda out=out, sites=sites: simulate_over(plan, sites, out, Console(file=StringIO())))
                refused[patients] = sum('"few-cases"' in line for line in (out / "ledger.jsonl").open())
                if number:  # the first run keeps features
                    found[patients].append(took[1:])
    for what, of in (("median", statistics.median), ("mean", statistics.mean)):
        best = {patients: min(of(one) for one in runs) for patients, runs in found.items()}
        print(
            f"{what} round: off {1e3 * best[OFF]:.2f} ms, on {1e3 * best[ON]:.2f} ms of processor time, "
            f"ratio {best[ON] / best[OFF]:.4f}; {1e3 * (best[ON] - best[OFF]) / SITES:.2f} ms a hospital"
        )
    print(f"updates refused in a run: off {refused[OFF]}, on {refused[ON]}, of {SITES * given.rounds}")


def _rounds(run: Any) -> list[float]:
    """The processor seconds of each round."""
    took, original = list[float](), loop._next

    def timed(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        state = original(*given, **named)
        took.append(time.process_time() - start)
        return state

    loop._next = timed
    try:
        run()
    finally:
        loop._next = original
    return took


if __name__ == "__main__":
    main()

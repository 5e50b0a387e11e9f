"""The reference work on Ray: against our own process, and on clusters of several nodes, of which one may be killed.

    FEDGRAFT_DATA=... python benchmarks/cluster.py [--rounds 20] [--repeat 3] [--nodes 2 4] [--cache DIR] [--plot FILE]

The plan is that of reference.py, with features that are kept. A node is a set of processes of this machine (Ray's own
`cluster_utils`), with one processor and a cache of its own, a copy of the one that the first run fills (or of --cache).

  in this process          engine=inprocess, as it comes: sites trained in one batched computation, a thread a core
  one by one               the same with engine.together=false engine.threads=1: the bits that Ray must give
  Ray                      engine=ray: it starts and ends with the run
  N nodes                  engine=ray engine.address=... on a cluster that is there already
  N nodes, one killed      the last node is killed when half of the rounds are in the ledger

Seconds of a run are whole processes, from start to exit; those of a round (rounds.jsonl) the median without the first
two.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, NamedTuple

import measure
from measure import FEDGRAFT
from reference import PLAN
from report import Result, publish
from rich.progress import track

HERE, ALONE, RAY = "in this process", "one by one", "Ray"
WORDS = {HERE: (), ALONE: ("engine.together=false", "engine.threads=1"), RAY: ("engine=ray",)}
_STEP = 0.05


class Run(NamedTuple):
    """One run: seconds of the whole and of a round, a digest of the final tensors, and what was said of losses."""

    whole: float
    per_round: float
    digest: str
    said: tuple[str, ...]


class Work:
    """The runs, with a cache for each node."""

    def __init__(self, scratch: Path, rounds: int, cache: Path | None, nodes: int) -> None:
        self.scratch, self.rounds = scratch, rounds
        if cache is None:
            self.run(*WORDS[HERE])
        else:
            shutil.copytree(cache, scratch / "cache")
        for node in range(nodes):
            shutil.copytree(scratch / "cache", scratch / f"cache-{node}")

    def run(self, *words: str) -> Run:
        out = self.scratch / "run"
        command = [*FEDGRAFT, "simulate", *PLAN, *words, f"rounds={self.rounds}", f"hydra.run.dir='{out}'"]
        whole = measure.run(command, {"FEDGRAFT_CACHE": str(self.scratch / "cache")}).seconds
        return read(out, whole)

    def on_nodes(self, number: int, kill: bool) -> Run:
        with cluster(self.scratch, number) as there:
            ledger = self.scratch / "run" / "ledger.jsonl"
            ledger.unlink(missing_ok=True)
            stop = threading.Event()
            killer = threading.Thread(target=self._kill, args=(there, ledger, stop))
            if kill:
                killer.start()
            try:
                return self.run("engine=ray", f"engine.address='{there.address}'")
            finally:
                stop.set()
                if kill:
                    killer.join()

    def _kill(self, there: Any, ledger: Path, stop: threading.Event) -> None:
        while not stop.wait(_STEP):
            lines = ledger.read_text(encoding="utf-8").splitlines() if ledger.is_file() else []
            if any(f'"round": {self.rounds // 2}, "what": "train"' in line for line in lines):
                there.remove_node(list(there.worker_nodes)[-1], allow_graceful=False)
                return


@contextmanager
def cluster(scratch: Path, number: int) -> Iterator[Any]:
    """A Ray cluster of this machine."""
    from ray.cluster_utils import Cluster

    made = Cluster()
    for node in range(number):
        first: dict[str, Any] = {"include_dashboard": False, "no_monitor": True} if node == 0 else {}
        cache = {"FEDGRAFT_CACHE": str(scratch / f"cache-{node}")}
        made.add_node(node_name=f"node-{node}", num_cpus=1, include_log_monitor=False, env_vars=cache, **first)
    try:
        yield made
    finally:
        made.shutdown()
        sleep(1.0)  # its processes end by themselves


def read(out: Path, whole: float) -> Run:
    lines = (out / "rounds.jsonl").read_text(encoding="utf-8").splitlines()
    each = [json.loads(line)["seconds"] for line in lines][3:]  # round 0 trains nothing
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((out / "shared.safetensors").read_bytes()).hexdigest()
    said = tuple(text for text in summary["warnings"] if "was lost" in text or "computed again" in text)
    return Run(whole, statistics.median(each), digest, said)


def main() -> None:
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=20, help="of each run, at least 8 (20)")
    parser.add_argument("--nodes", type=int, nargs="*", default=[2, 4], help="sizes of clusters (2 4)")
    parser.add_argument("--cache", type=Path, help="a folder in which an earlier run has kept features")
    options = parser.parse_args()
    os.environ.update(measure.QUIET, RAY_USAGE_STATS_ENABLED="0")
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), max(8, options.rounds), options.cache, max(options.nodes, default=0))
        for _ in track(range(options.repeat), "measuring"):
            for name, words in WORDS.items():
                found.setdefault(name, []).append(work.run(*words))
            for number in options.nodes:
                for kill in (False, True):
                    name = f"{number} nodes{', one killed' if kill else ''}"
                    found.setdefault(name, []).append(work.on_nodes(number, kill))
    publish(result(found, work.rounds, options.repeat), options.plot)


def result(found: dict[str, list[Run]], rounds: int, repeat: int) -> Result:
    whole = {name: statistics.median(run.whole for run in runs) for name, runs in found.items()}
    each = {name: statistics.median(run.per_round for run in runs) for name, runs in found.items()}
    rows = [
        [
            name,
            f"{whole[name]:.1f}",
            f"{min(run.whole for run in runs):.1f}-{max(run.whole for run in runs):.1f}",
            f"{whole[name] - whole[HERE]:+.1f}",
            f"{each[name] * 1e3:.0f}",
            f"{each[name] / each[HERE]:.2f}",
            f"{each[name] / each[ALONE]:.2f}",
            "yes" if {run.digest for run in runs} == {run.digest for run in found[ALONE]} else "no",
        ]
        for name, runs in found.items()
    ]
    return Result(
        title=f"the reference work on Ray, {rounds} rounds, warm, median of {repeat}",
        command="python benchmarks/cluster.py --plot docs/performance/cluster.png",
        columns=(
            *("where", "seconds", "least-most", "more than in this process", "ms per round"),
            *("times in this process", "times one by one", "bits of one by one"),
        ),
        rows=rows,
        notes=[f"{name}: {text}." for name, runs in found.items() for text in dict.fromkeys(runs[0].said)],
        bars={"whole process, seconds": whole, "a round, milliseconds": {n: s * 1e3 for n, s in each.items()}},
        unit="seconds; milliseconds",
        raw={name: [run._asdict() for run in runs] for name, runs in found.items()},
    )


if __name__ == "__main__":
    sys.exit(main())

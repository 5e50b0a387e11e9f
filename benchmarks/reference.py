"""The reference work: ours against the bare loop with and without kept features, and against Flower's Ray simulation.

    FEDGRAFT_DATA=... python benchmarks/reference.py [--rounds 20] [--repeat 3] [--ray]

Ten sites (Dirichlet 0.5) of PneumoniaMNIST at 64 px, frozen ``tf_efficientnet_lite0``, weighted cross-entropy, SGD
0.05 with momentum 0.9, batch 32, one local epoch, evaluation on the server each round. Whole processes from start to
exit; the table's ratios are of medians within this run, on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

PLAN = (
    *("data=pneumoniamnist", "data.image_size=64"),
    *("partition=dirichlet", "partition.alpha=0.5", "partition.sites=10"),
    *("train.lr=0.05", "train.momentum=0.9", "train.epochs=1", "train.schedule=constant"),
    *("head.normalise=false", "loss.weights=local"),
)
FEDGRAFT = (sys.executable, "-P", "-m", "fedgraft.common.cli")


def run(command: list[str], cache: Path) -> float:
    """Seconds of a whole process."""
    environment = {**os.environ, "FEDGRAFT_CACHE": str(cache)}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="also Flower's Ray simulation (needs fedgraft[ray])")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), options.rounds, options.repeat, options.ray)


def measure(scratch: Path, rounds: int, repeat: int, ray: bool) -> None:
    out, cache = scratch / "run", scratch / "cache"
    simulate = [*FEDGRAFT, "simulate", *PLAN, f"rounds={rounds}", f"hydra.run.dir={out}"]
    bare = [sys.executable, str(Path(__file__).with_name("bare_loop.py")), str(out / "sites")]
    torch_only = [sys.executable, "-c", "import torch, timm"]

    def cold() -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return run(simulate, cache)

    contestants: dict[str, Callable[[], float]] = {
        "ours, cold": cold,
        "ours, warm": lambda: run(simulate, cache),
        "bare loop, features kept": lambda: run([*bare, "kept", str(rounds), str(scratch / "kept.json")], cache),
        "bare loop, whole network": lambda: run([*bare, "whole", str(rounds), str(scratch / "whole.json")], cache),
        "import torch, timm": lambda: run(torch_only, cache),
    }
    if ray:
        contestants["ours on Flower's Ray, warm"] = lambda: run([*simulate, "engine=ray"], cache)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    with Progress() as progress:
        task = progress.add_task("measuring", total=repeat * len(contestants))
        for _ in range(repeat):
            for name, contestant in contestants.items():
                seconds[name].append(contestant())
                progress.advance(task)
    report({name: statistics.median(times) for name, times in seconds.items()}, rounds, repeat)
    compare_auroc(out / "rounds.jsonl", scratch / "kept.json")


def report(medians: dict[str, float], rounds: int, repeat: int) -> None:
    table = Table(title=f"reference work, {rounds} rounds, median of {repeat}", title_justify="left")
    for name in ("whole process", "seconds", "ours, cold, is ... times as long"):
        table.add_column(name, justify="left" if name == "whole process" else "right")
    for name, value in medians.items():
        table.add_row(name, f"{value:.1f}", f"{medians['ours, cold'] / value:.2f}")
    console = Console(width=100)
    console.print(table)
    console.print(
        f"warm, beyond the import of torch and timm: {medians['ours, warm'] - medians['import torch, timm']:.1f} s"
    )


def compare_auroc(ours: Path, bare: Path) -> None:
    mine = [json.loads(line)["test"]["auroc"] for line in ours.read_text(encoding="utf-8").splitlines()][1:]
    theirs = json.loads(bare.read_text(encoding="utf-8"))
    gap = max(abs(a - b) for a, b in zip(mine, theirs, strict=True))
    print(f"largest difference in AUROC to the bare loop over {len(mine)} rounds: {gap:.5f}")


if __name__ == "__main__":
    main()

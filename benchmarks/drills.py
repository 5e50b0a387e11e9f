"""Kill simulated runs at random moments, resume them, and compare what they end with: bit for bit, or not at all.

    python benchmarks/drills.py [--kills 1000] [--seed 0] [--only NAME ...]

A process that has imported everything is forked for each attempt, and killed (SIGKILL) after a random time of up to
that of an undisturbed run; the next attempt resumes. An attempt that ends by itself ends the run, whose model, sites'
own tensors and figures are then compared with those of an undisturbed run, and the next run begins. Prints a table; the
exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import fedgraft as fg
from fedgraft.common import tensors
from fedgraft.common.errors import CheckpointError
from fedgraft.simulations import api  # noqa: F401  (imported once, before the forks)

COMMON = ("data=phantom", "data.image_size=32", "rounds=4", "engine.threads=1")
FREE = "backbone.freeze=blocks.2"
PLANS: dict[str, tuple[str, ...]] = {
    "fedavg": (),
    "fedprox": ("strategy=fedprox",),
    "fedadam": ("strategy=fedadam",),
    "half of the sites": ("strategy.fraction=0.5",),
    "best round": ("select=best",),
    "int8": ("compression=int8",),
    "top-k": ("compression=topk",),
    "ditto": ("personal=ditto",),
    "fedbn": ("adaptation=fedbn",),
    "coral": (FREE, "alignment=coral", "alignment.dimensions=6"),
    "every depth, own scale": ("features=taps", "features.scale=own"),
    "calibration": ("calibration=platt", "calibration.by_site=true", "data.val_fraction=0.3"),
    "exact": ("features=taps", "head=plain", "strategy=exact", "strategy.weakest=0.1", "rounds=3", "select=best"),
    "exact, own intercepts": ("features=taps", "head=plain", "strategy=exact", "rounds=2", "personal=intercept"),
}
TIMES = ("seconds", "bytes", "dropped", "initial_without", "moments_without", "statistics_from")


@dataclass
class Found:
    """What became of one plan's runs."""

    runs: int = 0
    kills: int = 0
    same: int = 0
    began_anew: int = 0
    different: int = 0


def fingerprint(out: Path) -> dict[str, str]:
    """Digests of what a run ends with: its model, what each site keeps for itself, and its figures but for times."""
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    figures = {name: value for name, value in summary.items() if name not in TIMES}
    found = {"model": tensors.digest(tensors.load(out / "model" / "model.safetensors"))}
    for name, value in figures.items():
        found[f"summary.json {name}"] = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    for path in sorted(out.glob("sites/*/state/local/*.safetensors")):
        found[f"{path.parts[-4]}/{path.name}"] = tensors.digest(tensors.load(path))
    return found


def attempt(plan: Any, out: Path, resume: bool) -> int:
    """Fork a process that runs or resumes a plan; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        torch.set_num_threads(1)
        try:
            fg.simulate(plan, out, quiet=True, resume=resume)
        except CheckpointError:
            if (out / "plan.yaml").exists():
                raise
            fg.simulate(plan, out, quiet=True)  # it was killed before anything was written
        code = 0
    except BaseException as error:  # shown by the parent as an attempt that failed
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(code)


def run_until_it_ends(plan: Any, out: Path, most: float, chance: random.Random, kills: int) -> int:
    """Kill and resume a run until it ends by itself, or ``kills`` are spent; returns how often it was killed."""
    killed = 0
    while True:
        child = attempt(plan, out, resume=(out / "plan.yaml").exists())
        if killed < kills and not _ends_within(child, chance.uniform(0, most)):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
            continue
        if killed >= kills:
            _, status = os.waitpid(child, 0)
            if status:
                raise SystemExit(f"{out}: an attempt failed (status {status})")
        return killed


def _ends_within(child: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"an attempt failed (status {status})")
            return True
        time.sleep(0.002)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="in all, over the plans (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=[*PLANS], help="these plans only")
    given = parser.parse_args()
    chance, names = random.Random(given.seed), given.only or list(PLANS)
    table = Table("plan", "runs", "kills", "same bits", "different", "seconds undisturbed")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            plan = fg.plan(*COMMON, *PLANS[name])
            found, seconds = drill(plan, Path(folder), chance, given.kills // len(names))
            wrong += found.different
            cells = (found.runs, found.kills, found.same, found.different)
            table.add_row(name, *map(str, cells), f"{seconds:.2f}")
            print(f"{name}: {found.kills} kills, {found.same} of {found.runs} runs the same", file=sys.stderr)
    Console().print(table)
    return 1 if wrong else 0


def drill(plan: Any, folder: Path, chance: random.Random, kills: int) -> tuple[Found, float]:
    """Run a plan again and again, killed in all ``kills`` times, beside an undisturbed run."""
    whole, found = folder / "whole", Found()
    for _ in range(2):  # the first one decodes
        shutil.rmtree(whole, ignore_errors=True)
        before = time.monotonic()
        child = attempt(plan, whole, resume=False)
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"the undisturbed run failed (status {status})")
    seconds, expected = time.monotonic() - before, fingerprint(whole)
    while found.kills < kills:
        out = folder / "killed"
        shutil.rmtree(out, ignore_errors=True)
        found.kills += run_until_it_ends(plan, out, seconds, chance, min(kills - found.kills, 8))
        found.runs += 1
        ended = fingerprint(out)
        if ended == expected:
            found.same += 1
        else:
            found.different += 1
            names = sorted(name for name in {*ended, *expected} if ended.get(name) != expected.get(name))
            print(f"differs: {', '.join(names)}", file=sys.stderr)
    return found, seconds


if __name__ == "__main__":
    raise SystemExit(main())

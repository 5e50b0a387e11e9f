"""Parts for hospitals that differ: how far apart they lie, choosing for an unseen one, weights for the worst one.

    FEDGRAFT_DATA=... python benchmarks/generalising.py OUT_DIR [--only distances unseen weights] [--seeds 0 1 2]

The tables of docs/generalise.md. Every run has a folder of its own below OUT_DIR; one that is finished is read and not
made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fedgraft as fg

ALWAYS = ("features=taps", "head=plain", "engine.threads=1", "decide.unseen=null")
EXACT = ("strategy=exact",)
SHIFTS = {f"phantom-{shift}": ("data=phantom", f"data.shift={shift}", "data.image_size=96") for shift in (0, 1, 2)}
ULTRASOUND = ("data=breast_us",)
RIDGES = (*EXACT, "strategy.strongest=3", "strategy.weakest=0.003", "rounds=7", "patience.quorum_sites=2")
HELD_OUT = {
    "phantom-2": (SHIFTS["phantom-2"], ("alder", "birch", "cedar", "dogwood")),
    "breast_us": (ULTRASOUND, ("cairo_baheya", "ciudad_real", "rio_inca")),
}
LARGE = ("data=phantom", "data.shift=2", "data.image_size=64", "data.cases=400", "data.test_fraction=0.5")
TRAINED = ("features.scale=common", "train.lr=0.002", "train.epochs=1", "rounds=20", "select=best")
STRATEGIES = {
    "fedavg": ("strategy=fedavg",),
    "qffl, q=1": ("strategy=qffl", "strategy.q=1"),
    "qffl, q=3": ("strategy=qffl", "strategy.q=3"),
    "group_dro, rate=0.1": ("strategy=group_dro", "strategy.rate=0.1"),
    "group_dro, rate=1": ("strategy=group_dro", "strategy.rate=1.0"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(argv)
    for name in given.only:
        TABLES[name](given.out / name, given.seeds)
    return 0


def distances(out: Path, seeds: Sequence[int]) -> None:
    """Deviations from each hospital to the nearest other."""
    print("| data | features.scale | named | before | to the head | AUROC |\n|---|---|---|---|---|---|", flush=True)
    for data, words in {**SHIFTS, "breast_us": ULTRASOUND}.items():
        for scale in ("common", "own"):
            fit = (*EXACT, "rounds=1", "strategy.weakest=0.1", "site_distances=true", f"features.scale={scale}")
            found = [summary(out / f"{data}-{scale}-{seed}", *words, *fit, f"seed={seed}") for seed in seeds]
            told = [one["site_distances"] for one in found]
            sites = [[*one["before"].values()] for one in told]
            named = sum(site["differs"] for one in sites for site in one) / len(seeds)
            ranges = [span([s["deviations"] for one in told for s in one[state].values()]) for state in STATES]
            auroc = np.mean([one["test"]["auroc"] for one in found])
            print(
                f"| {data} | {scale} | {named:g} of {len(sites[0])} | {' | '.join(ranges)} | {auroc:.3f} |", flush=True
            )


def unseen(out: Path, seeds: Sequence[int]) -> None:
    """The AUROC of a hospital that never trains, by how the others chose the ridge."""
    print("| data | select | each hospital | mean |\n|---|---|---|---|", flush=True)
    for data, (words, sites) in HELD_OUT.items():
        for select in ("best", "unseen"):
            found = [
                np.mean([held_out(out / f"{data}-{site}-{select}-{seed}", words, site, select, seed) for seed in seeds])
                for site in sites
            ]
            cells = ", ".join(f"{one:.3f}" for one in found)
            print(f"| {data} | {select} | {cells} | {np.mean(found):.3f} |", flush=True)


def held_out(folder: Path, words: Sequence[str], site: str, select: str, seed: int) -> float:
    plan = (*words, *RIDGES, f"select={select}", f"hold_out=[{site}]", f"seed={seed}")
    return float(summary(folder, *plan)["sites"][site]["auroc"])


def weights(out: Path, seeds: Sequence[int]) -> None:
    """The AUROC of the worst hospital, and the mean over hospitals."""
    print("| data | strategy | worst hospital (deviation) | mean |\n|---|---|---|---|", flush=True)
    for data, words in {"breast_us": ULTRASOUND, "phantom, large": LARGE}.items():
        for strategy, more in STRATEGIES.items():
            rows = []
            for seed in seeds:
                folder = out / f"{data.split(',')[0]}-{strategy.replace(', ', '-')}-{seed}"
                sites = summary(folder, *words, *TRAINED, *more, f"seed={seed}")["sites"].values()
                figures = [one["auroc"] for one in sites if one["auroc"] is not None]
                rows.append((min(figures), float(np.mean(figures))))
            (worst, mean), (spread, _) = np.mean(rows, axis=0), np.std(rows, axis=0)
            print(f"| {data} | {strategy} | {worst:.3f} ({spread:.3f}) | {mean:.3f} |", flush=True)


def summary(folder: Path, *words: str) -> dict[str, Any]:
    """The ``summary.json`` of a plan's run, which is made if it is not there."""
    file = folder / "summary.json"
    if not file.is_file():
        fg.simulate(fg.plan(*words, *ALWAYS), out=folder, quiet=True)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def span(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


STATES = ("before", "after")
TABLES: dict[str, Callable[[Path, Sequence[int]], None]] = {
    "distances": distances,
    "unseen": unseen,
    "weights": weights,
}

if __name__ == "__main__":
    raise SystemExit(main())

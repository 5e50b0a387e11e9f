"""Hospitals that mark different findings: a merged head, beside all marking all, and beside each alone.

    FEDGRAFT_DATA=... python benchmarks/partial_labels.py OUT_DIR [--seeds 0 1 2]

The thousand chest films of ``data=nih_cxr1000_findings``, by patient dealt to five hospitals. Hospital k marks the
findings k and k + 1 of five, on training and validation films; test films keep all labels, so that every row is
measured on the same ones. Rows: ``all`` mark all; ``part`` with the merged head; ``plain`` the same, but its rows
averaged by all cases as any other tensor; ``alone``: a hospital that marks the finding trains on its own films (the
mean over the two that do). Printed, as Markdown: each finding's AUROC over all hospitals' test films, as the mean over
the seeds (and its standard deviation).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

import fedgraft as fg
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.server.rounds import round as round_
from fedgraft.simulations.datasets.nih_cxr1000 import nih_cxr1000

FINDINGS = ("atelectasis", "edema", "effusion", "infiltration", "pneumonia")
SITES = tuple(f"site-{place}" for place in range(len(FINDINGS)))
STRATEGIES = {
    "fedavg": ("train.lr=0.002", "train.epochs=1", "rounds=20"),
    "exact": ("rounds=3", "strategy.weakest=0.1"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args(argv)
    print(f"| strategy | who marks | {' | '.join(FINDINGS)} | mean |\n|---|---|{'---|' * 6}", flush=True)
    for strategy in STRATEGIES:
        for who in ("all", "part", "plain", "alone") if strategy == "fedavg" else ("all", "part", "alone"):
            rows = np.array([measured(given.out, strategy, who, seed) for seed in given.seeds])
            rows = np.concatenate([rows, rows.mean(axis=1, keepdims=True)], axis=1)
            cells = [f"{mean:.3f} ({sd:.3f})" for mean, sd in zip(rows.mean(axis=0), rows.std(axis=0), strict=True)]
            print(f"| `{strategy}` | {who} | {' | '.join(cells)} |", flush=True)
    return 0


def measured(out: Path, strategy: str, who: str, seed: int) -> list[float]:
    """Each finding's AUROC over all hospitals' test films."""
    folder = out / f"{strategy}-{who}-{seed}"
    if who != "alone":
        with averaged_by_cases() if who == "plain" else nullcontext():
            return list(run(folder, strategy, cases(seed, who != "all"), seed).values())
    found: dict[str, list[float]] = {name: [] for name in FINDINGS}
    for place, site in enumerate(SITES):
        own = [one for one in cases(seed, True) if one.split == "test" or one.group == site]
        marks = (FINDINGS[place], FINDINGS[(place + 1) % len(FINDINGS)])
        scores = run(folder / site, strategy, own, seed, hold_out=[one for one in SITES if one != site], classes=marks)
        for name in marks:
            found[name].append(scores[name])
    return [float(np.mean(some)) for some in found.values()]


@contextmanager
def averaged_by_cases() -> Iterator[None]:
    """Within the block, no row of a head is averaged by who marked its finding."""
    before, round_.marked_rows = round_.marked_rows, lambda *about: None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        round_.marked_rows = before  # type: ignore[attr-defined]


def cases(seed: int, partly: bool) -> list[Case]:
    """Films with their hospital as ``group``, and their part; the cells of findings that it does not mark are empty."""
    source = nih_cxr1000(root=Path(os.environ["FEDGRAFT_DATA"]), cache=Path("none"), findings=True)
    patients = sorted({case.patient for case in source.cases})
    order = np.random.default_rng(seed).permutation(len(patients))
    dealt = {patients[at]: (place % 5, place // 5 % 10) for place, at in enumerate(order)}
    found = []
    for case in source.cases:
        site, turn = dealt[case.patient]
        part = "test" if turn < 2 else "val" if turn == 2 else "train"
        marks = {FINDINGS[site], FINDINGS[(site + 1) % 5]}
        hidden = partly and part != "test"
        cells = [(name, "" if hidden and name not in marks else case.column(name) or "") for name in FINDINGS]
        columns = (("hospital", SITES[site]), *cells)
        found.append(replace(case, label="", group=SITES[site], split=part, columns=columns))
    return found


def run(
    folder: Path,
    strategy: str,
    some: Sequence[Case],
    seed: int,
    hold_out: Sequence[str] = (),
    classes: Sequence[str] = FINDINGS,
) -> dict[str, float]:
    """A simulation over these films; AUROC by finding over all test films."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder / "films.csv", [replace(case, group=None) for case in some])
    plan = fg.plan(
        "data=manifest",
        f"data.path={folder / 'films.csv'}",
        "data.site=hospital",
        "data.task=multilabel",
        f"data.classes=[{','.join(classes)}]",
        "loss=binary_cross_entropy",
        "data.image_size=224",
        "features=taps",
        "head=plain",
        "features.scale=common",
        f"strategy={strategy}",
        *STRATEGIES[strategy],
        f"hold_out=[{','.join(hold_out)}]",
        "select=best",
        f"patience.quorum_sites={1 if hold_out else 2}",
        f"seed={seed}",
        "engine.threads=1",
    )
    summary = fg.simulate(plan, out=folder / "run").summary
    return {name: summary["test"]["findings"][name]["auroc"] for name in classes}


if __name__ == "__main__":
    raise SystemExit(main())

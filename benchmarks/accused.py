"""How often a hospital is named for pulling against the others: without cause, and one that does.

    python benchmarks/accused.py [--draws 100] [--rounds 10] [--lr 0.01] [--first-seed 0] [--turn 0]

A linear head on features of phantom films (500 of five scanners, drawn and read once), trained in rounds of FedAvg as
the default plan does (5 epochs of SGD, batches of 32, cosine schedule). Each draw chooses hospitals and cases anew.
Printed for each division of training cases: of 100 runs, in how many any hospital is named where all are honest; and
where the first or the last one sends its update turned round (``sign``), or trains on turned labels (``labels``), in
how many it is named, and in how many another one is: from the first round on, or from ``--turn``. ``without`` is the
rule without `fedgraft.server.bounds.likeness.FIRST`. ``falls`` is one that FedGraft does not have (`falling`): whether
it would tell a hospital that turns late.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.training.loop import batches
from fedgraft.server.bounds import likeness
from fedgraft.server.bounds.likeness import AGAINST, AGREEING, Likeness, likenesses, pulling_against

DIVISIONS = (
    *((cases,) * 3 for cases in (12, 24, 48)),
    (60, 15, 15),
    (60, 40, 12),
    (24,) * 4,
    (18,) * 5,
    (60, 15, 15, 15, 15),
)
EPOCHS, BATCH = 5, 32
Rows = NDArray[np.float32]
Rounds = list[dict[str, Likeness]]


def films() -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """``(N, 1281)`` features, normalised by case, and 1; ``(N,)`` labels; ``(N,)`` hospitals."""
    rows, labels, homes = [], list[int](), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        run = fg.simulate(fg.plan("data=phantom", "data.sites=5", "data.cases=100", "rounds=1"), Path(folder) / "run")
        model = run.model()
        for home, site in enumerate(sorted((run.out / "sites").iterdir())):
            cases = read_manifest(site / "manifest.csv")
            labels += [int(case.label == "lesion") for case in cases]
            homes += [home] * len(cases)
            for part in batches(len(cases), 50):
                with torch.inference_mode():
                    rows.append(model.network.backbone(model.prepare([case.path for case in cases[part]])).numpy())
    found = np.concatenate(rows)
    found = (found - found.mean(1, keepdims=True)) / np.sqrt(found.var(1, keepdims=True) + 1e-5)
    return np.c_[found, np.ones(len(found))].astype(np.float32), np.array(labels), np.array(homes)


def trained(
    weights: Rows, rows: Rows, labels: NDArray[np.int64], by_class: Rows, rate: float, order: np.random.Generator
) -> Rows:
    found, target, each = weights.copy(), np.eye(2, dtype=np.float32)[labels], by_class[labels]
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(rows))
        for part in batches(len(rows), BATCH):
            batch = shuffled[part]
            logits = rows[batch] @ found.T
            raised = np.exp(logits - logits.max(1, keepdims=True))
            wrong = raised / raised.sum(1, keepdims=True) - target[batch]
            found -= np.float32(rate) * (wrong * (each[batch] / each[batch].sum())[:, None]).T @ rows[batch]
    return found


def rounds_of(
    known: tuple[Rows, NDArray[np.int64], NDArray[np.int64]],
    sizes: Sequence[int],
    seed: int,
    attack: str,
    who: int,
    given: argparse.Namespace,
) -> Rounds | None:
    """What is seen of a run's updates; ``None`` if all cases are of one class."""
    rows, labels, homes = known
    order, sites = np.random.default_rng(seed), list[NDArray[np.int64]]()
    for home, cases in zip(order.permutation(5), sizes, strict=False):
        sites.append(order.permutation(np.flatnonzero(homes == home))[:cases])
    counts = np.bincount(labels[np.concatenate(sites)], minlength=2)
    if not counts.all():
        return None
    by_class = (counts.sum() / (2 * counts)).astype(np.float32)
    weights, share, found = np.zeros((2, rows.shape[1]), np.float32), np.array(sizes) / sum(sizes), Rounds()
    for number in range(given.rounds):
        rate = given.lr * 0.5 * (1 + math.cos(math.pi * number / given.rounds))
        moved = []
        for place, site in enumerate(sites):
            acts = place == who and number >= given.turn
            turned = attack == "labels" and acts
            after = trained(weights, rows[site], labels[site] ^ int(turned), by_class, rate, order)
            moved.append((-1 if attack == "sign" and acts else 1) * (after - weights).ravel().astype(float))
        updates = np.array(moved)
        alike = likenesses(updates @ updates.T, list(sizes))
        found.append({str(place): one for place, one in enumerate(alike)})
        weights = weights + (share @ updates).reshape(weights.shape).astype(np.float32)
    return found


def rules() -> Iterator[tuple[str, Callable[[Rounds], Mapping[str, object]]]]:
    def without(rounds: Rounds) -> Mapping[str, object]:
        first, likeness.FIRST = likeness.FIRST, math.inf
        try:
            return pulling_against(rounds)
        finally:
            likeness.FIRST = first

    yield "without", without
    yield "with", pulling_against
    yield "falls", falling


def falling(rounds: Rounds) -> set[str]:
    """Sites whose cosine falls by 0.8 from one round to the next, stays at -0.4 or less in three of four rounds after
    that, and so at least in three, while the others agree (the median of these rounds)."""
    found = set()
    for site in rounds[0]:
        cosines = np.array([one[site].cosine for one in rounds], dtype=float)
        agreements = np.array([one[site].agreement for one in rounds], dtype=float)
        for at in range(1, len(rounds) - 2):
            away = np.mean(cosines[at:] <= AGAINST) >= 0.75
            if cosines[at - 1] - cosines[at] >= 0.8 and away and np.nanmedian(agreements[at:]) >= AGREEING:
                found.add(site)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draws", type=int, default=100, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--lr", type=float, default=0.01, help="(%(default)s)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--turn", type=int, default=0, help="round from 0 in which it begins (%(default)s)")
    given = parser.parse_args()
    known = films()
    print("| training cases | rule | runs | all honest | sign: it, another | labels: it, another |")
    for sizes in DIVISIONS:
        runs = {
            (attack, who): [
                one
                for seed in range(given.first_seed, given.first_seed + given.draws)
                if (one := rounds_of(known, sizes, seed, attack, who, given)) is not None
            ]
            for attack, places in (("none", (-1,)), ("sign", (0, len(sizes) - 1)), ("labels", (0, len(sizes) - 1)))
            for who in places
        }
        for name, rule in rules():
            cells = [f"{100 * np.mean([bool(rule(one)) for one in runs['none', -1]]):.0f}"]
            for attack in ("sign", "labels"):
                told = [(str(who), rule(one)) for (what, who), some in runs.items() if what == attack for one in some]
                it = np.mean([who in found for who, found in told])
                other = np.mean([bool({*found} - {who}) for who, found in told])
                cells.append(f"{100 * it:.0f}, {100 * other:.0f}")
            print(
                f"| {', '.join(map(str, sizes))} | {name} | {len(runs['none', -1])} | {' | '.join(cells)} |", flush=True
            )


if __name__ == "__main__":
    main()

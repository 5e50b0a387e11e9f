"""MTS-Dialog at five hospitals of unlike mix: each hospital's own head and the common one, on the same test notes.

    FEDGRAFT_DATA=... FEDGRAFT_CACHE=... python benchmarks/notes_alone.py

Hospitals as ``fedgraft simulate data=mts_dialog seed=S`` draws them (Dirichlet 0.5). A fifth of the groups of equal
notes, of all hospitals together, is test; most hospitals have too few headers among their own for an AUROC. Each head
is logistic, on mean and deviation of every layer; a tenth of the groups that it may see chooses the strength of its
ridge. A header that a hospital has never seen has probability 0 there. The common head is that of all training notes in
one place, as which a federation's exact head was measured to be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from notes_layers import SEEDS, Matrix, Places, chosen, cohort
from numpy.typing import NDArray
from plans import plan_of
from sklearn.model_selection import GroupShuffleSplit

from fedgraft.client.cohort.case import Case
from fedgraft.simulations.federation.sites import partition_cases

Groups = NDArray[np.str_]


def main() -> None:
    rows, labels, groups, _ = cohort()
    places = {(case.path, case.row): place for place, case in enumerate(c for site in hospitals() for c in site)}
    found = []
    for seed in SEEDS:
        homes = np.empty(len(labels), np.int64)
        for home, cases in enumerate(hospitals(f"seed={seed}")):
            homes[[places[case.path, case.row] for case in cases]] = home
        rest, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(labels, groups=groups))
        scaled = (rows - rows[rest].mean(axis=0)) / rows[rest].std(axis=0).clip(min=1e-6)
        alone = [reached(scaled, labels, groups, rest[homes[rest] == home], test) for home in range(homes.max() + 1)]
        found.append((reached(scaled, labels, groups, rest, test), float(np.mean(alone))))
        print(f"seed {seed}: together {found[-1][0]:.3f}; alone {', '.join(f'{one:.3f}' for one in alone)}")
    together, alone = np.mean(found, axis=0)
    print(f"mean over seeds: together {together:.3f}, alone {alone:.3f}")


def hospitals(*words: str) -> list[Sequence[Case]]:
    """The cases of each; without words in the order of `cohort`."""
    return list(partition_cases(plan_of("data=mts_dialog", *words), os.environ).sites.values())


def reached(rows: Matrix, labels: Places, groups: Groups, seen: Places, test: Places) -> float:
    """The macro AUROC over all headers of the test notes, of a head that saw the notes ``seen``."""
    train, val = next(GroupShuffleSplit(1, test_size=0.1, random_state=0).split(seen, groups=groups[seen]))
    return chosen(rows, labels, seen[train], seen[val], test)


if __name__ == "__main__":
    main()

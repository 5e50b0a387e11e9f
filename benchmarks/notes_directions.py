"""MTS-Dialog with few labels: does a ridge that knows how all training notes differ, without labels, do better?

    FEDGRAFT_DATA=... FEDGRAFT_CACHE=... python benchmarks/notes_directions.py

The splits, labels and heads of ``notes_layers.py``, for the last layer's mean and every layer. Directions of the
training notes' covariance are made alike (whitening, with a share of the identity), or those of much variance weigh
more (by the deviation to a power). Which strength, and the ridge, is chosen by the validation notes.
"""

from __future__ import annotations

import warnings

import numpy as np
from notes_layers import SEEDS, Matrix, Places, auroc, cohort
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit

SHARES, POWERS = (0.3, 0.1, 0.03, 0.01), (0.25, 0.5, 1.0)
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
LABELS = (10, 25)
Found = tuple[float, float]
"""Figures on validation and on test notes."""


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows, labels, groups, _ = cohort()
    last = rows[:, -rows.shape[1] // 6 :]
    for name, part in {"last layer's mean": last[:, : last.shape[1] // 2], "every layer": rows}.items():
        scaled = (part - part.mean(axis=0)) / part.std(axis=0).clip(min=1e-6)
        tried: dict[tuple[str, int], list[Found]] = {}
        for seed in SEEDS:
            rest, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(labels, groups=groups))
            inner, val = next(GroupShuffleSplit(1, test_size=0.1, random_state=seed).split(rest, groups=groups[rest]))
            for how, changed in varied(scaled, rest[inner]).items():
                for number in LABELS:
                    best = reached(changed, labels, few(labels, rest[inner], seed, number), rest[val], test)
                    tried.setdefault((how, number), []).append(best)
        for number in LABELS:
            report(
                f"{name}, {number} labels a class", {how: found for (how, of), found in tried.items() if of == number}
            )


def report(name: str, tried: dict[str, list[Found]]) -> None:
    for how, found in tried.items():
        print(f"{name}: {how:18} {np.mean([test for _, test in found]):.3f}")
    for kind in ("whitened", "weighed"):
        some = [found for how, found in tried.items() if how == "as they are" or how.startswith(kind)]
        chosen = [max(by_seed, key=first)[1] for by_seed in zip(*some, strict=True)]
        print(f"{name}: {kind + ', chosen':18} {np.mean(chosen):.3f}", flush=True)


def varied(rows: Matrix, train: Places) -> dict[str, Matrix]:
    """Features changed along the directions of the training notes."""
    _, sizes, across = np.linalg.svd(rows[train] / np.sqrt(len(train)), full_matrices=False)
    onto, found = rows @ across.T, {"as they are": rows}
    for share in SHARES:
        gain = np.sqrt(share / ((1 - share) * sizes**2 + share)) - 1
        found[f"whitened {share:g}"] = np.asarray(rows + (onto * gain) @ across, np.float32)
    for power in POWERS:
        changed = onto * (sizes / np.sqrt((sizes**2).mean())) ** power
        length = np.sqrt((rows[train] ** 2).sum() / (changed[train] ** 2).sum())
        found[f"weighed {power:g}"] = np.asarray(changed * length, np.float32)
    return found


def few(labels: Places, train: Places, seed: int, number: int) -> Places:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(train[labels[train] == one])[:number] for one in np.unique(labels)])


def reached(rows: Matrix, labels: Places, train: Places, val: Places, test: Places) -> Found:
    """Of the ridge that is best on validation notes."""
    basis = rows[train] / np.sqrt((rows[train] ** 2).sum(axis=1).mean())
    values, vectors = np.linalg.eigh((basis @ basis.T).astype(np.float64))
    kept = values > 1e-6 * values.max()
    inputs = rows @ (basis.T @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)
    heads = [LogisticRegression(C=c, max_iter=300).fit(inputs[train], labels[train]) for c in RIDGES]
    return max(((auroc(head, inputs, labels, val), auroc(head, inputs, labels, test)) for head in heads), key=first)


def first(found: Found) -> float:
    return found[0]


if __name__ == "__main__":
    main()

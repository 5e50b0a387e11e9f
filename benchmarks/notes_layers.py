"""MTS-Dialog with few labels: the last layer's mean, mean and deviation of every layer, and hashed words.

    FEDGRAFT_DATA=... FEDGRAFT_CACHE=... python benchmarks/notes_layers.py

A logistic head on the labelled notes in one place; a fifth of the groups of equal notes is test, a tenth chooses the
strength of the ridge. Features are those that ``fedgraft simulate data=mts_dialog`` keeps.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from plans import plan_of
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit

from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.client.text.hashing import Hasher
from fedgraft.client.text.inputs import TextInputs
from fedgraft.common.interfaces.inputs import Hashing
from fedgraft.common.models.build import build
from fedgraft.simulations.federation.sites import cache_folder, partition_cases

SEEDS, LABELS = (0, 1, 2), (10, 25, 0)
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
Matrix = NDArray[np.float32]
Places = NDArray[np.int64]


def main() -> None:
    rows, labels, groups, words = cohort()
    last = rows[:, -rows.shape[1] // 6 :]
    features = {"last layer's mean": last[:, : last.shape[1] // 2], "every layer": rows, "hashed words": words}
    print(f"{len(labels)} notes; labels a class: {', '.join(str(one or 'all') for one in LABELS)}")
    for name, found in features.items():
        scaled = found if name == "hashed words" else (found - found.mean(axis=0)) / found.std(axis=0).clip(min=1e-6)
        by_seed = [[reached(scaled, labels, groups, seed, number) for number in LABELS] for seed in SEEDS]
        print(
            f"{name:18} {'  '.join(f'{one:.3f}' for one in np.mean(by_seed, axis=0))}   by seed {np.round(by_seed, 3)}"
        )


def cohort() -> tuple[Matrix, Places, NDArray[np.str_], Matrix]:
    """Features of every layer, labels, groups of equal notes, and hashed words."""
    plan = plan_of("data=mts_dialog")
    cases = tuple(case for some in partition_cases(plan, os.environ).sites.values() for case in some)
    store = Store(cache_folder(os.environ) / "store" / "kept")
    context = InputContext(plan, ("fedgraft",), store)
    inputs = factory_of(context.kind, ("fedgraft",)).inputs(context)
    assert isinstance(inputs, TextInputs)
    model = build(plan, None)
    machine = choose("cpu", torch.get_num_threads())
    extractor = FeatureExtractor(plan, model, model.backbone_name, inputs, store, machine)
    examples = extractor.examples(accept_whole(cases, plan, inputs))
    words = Hasher(Hashing(16_384)).numbers([inputs.note(case) for case in cases])
    return examples.inputs.numpy(), examples.labels.numpy(), np.array([case.group for case in cases]), words


def reached(rows: Matrix, labels: Places, groups: NDArray[np.str_], seed: int, number: int) -> float:
    """The macro AUROC on test notes of a head that saw ``number`` labels of each class (0: all)."""
    rest, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(labels, groups=groups))
    inner, val = next(GroupShuffleSplit(1, test_size=0.1, random_state=seed).split(rest, groups=groups[rest]))
    train, rng = rest[inner], np.random.default_rng(seed)
    if number:
        of = [rng.permutation(train[labels[train] == one])[:number] for one in np.unique(labels)]
        train = np.concatenate(of)
    return chosen(rows, labels, train, rest[val], test)


def chosen(rows: Matrix, labels: Places, train: Places, val: Places, test: Places) -> float:
    """The macro AUROC on test notes of a head on the notes ``train``, whose ridge the notes ``val`` choose."""
    basis = rows[train] / np.sqrt(rows.shape[1])
    values, vectors = np.linalg.eigh((basis @ basis.T).astype(np.float64))
    kept = values > 1e-6 * values.max()
    onto = (basis.T @ (vectors[:, kept] / np.sqrt(values[kept]))).astype(np.float32)  # a ridge here is that on the rows
    inputs = rows @ onto
    heads = [LogisticRegression(C=c, max_iter=300).fit(inputs[train], labels[train]) for c in RIDGES]
    figures = [auroc(head, inputs, labels, val) for head in heads]
    return auroc(heads[int(np.argmax(figures))], inputs, labels, test)


def auroc(head: LogisticRegression, inputs: Matrix, labels: Places, where: Places) -> float:
    """Of each class that some notes have and others have not, the mean; one that the head has never seen has
    probability 0."""
    shares = np.zeros((len(where), labels.max() + 1))
    shares[:, head.classes_] = head.predict_proba(inputs[where])
    there = [one for one in np.unique(labels[where]) if (labels[where] != one).any()]
    return float(np.mean([roc_auc_score(labels[where] == one, shares[:, one]) for one in there])) if there else 0.0


if __name__ == "__main__":
    main()

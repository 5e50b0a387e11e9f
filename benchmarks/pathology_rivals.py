"""Pathology reports, five folds by tissue source site: TF-IDF, hashed words, windows of every layer, and both.

    FEDGRAFT_DATA=... FEDGRAFT_CACHE=... python benchmarks/pathology_rivals.py

A logistic head on all 825 reports in one place; the strength of its ridge is chosen in each fold by a fifth of the
training sites. TF-IDF is fitted on each fold's training reports; nothing else is fitted but the head and the scale of
layers. Features are those that ``fedgraft simulate data=tcga_path`` keeps: the encoder runs if they are not there yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from plans import plan_of
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.client.text.inputs import TextInputs
from fedgraft.common.models.build import build
from fedgraft.simulations.federation.sites import cache_folder, partition_cases

SEEDS, FOLDS = (0, 1, 2), 5
RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
Matrix = NDArray[np.float32]
Kernel = Callable[[NDArray[np.int64]], Matrix]
"""From the places of the training reports to inner products of all reports."""


def main() -> None:
    rows, labels, sites, notes, layers = cohort()
    hashed = rows[:, layers:] @ rows[:, layers:].T
    windows = by_training(rows[:, :layers])
    kernels: dict[str, Kernel] = {
        "TF-IDF, words and pairs": lambda train: tfidf(notes, train),
        "hashed words": lambda train: hashed,
        "windows, every layer": windows,
        "both in one head": lambda train: hashed + windows(train),
    }
    print(f"{len(labels)} reports, {len(set(sites))} tissue source sites, {labels.mean():.2f} positive")
    for name, kernel in kernels.items():
        found = [out_of_fold(kernel, labels, sites, seed) for seed in SEEDS]
        print(f"{name:24} {np.mean(found):.3f} ({', '.join(f'{one:.3f}' for one in found)})", flush=True)


def cohort() -> tuple[Matrix, NDArray[np.int64], NDArray[np.str_], list[str], int]:
    """Features, labels, tissue source sites and texts of all reports; and how many features are of layers."""
    plan = plan_of("data=tcga_path")
    cases = tuple(case for some in partition_cases(plan, os.environ).sites.values() for case in some)
    store = Store(cache_folder(os.environ) / "store" / "kept")
    context = InputContext(plan, ("fedgraft",), store)
    inputs = factory_of(context.kind, ("fedgraft",)).inputs(context)
    assert isinstance(inputs, TextInputs)
    model = build(plan, None)
    extractor = FeatureExtractor(
        plan, model, model.backbone_name, inputs, store, choose("cpu", torch.get_num_threads())
    )
    examples = extractor.examples(accept_whole(cases, plan, inputs))
    layers = sum(group.width for group in model.groups if not group.comparable)
    sites = np.array([case.column("tss") for case in cases])
    notes = [inputs.note(case) for case in cases]
    return examples.inputs.numpy(), examples.labels.numpy(), sites, notes, layers


def by_training(rows: Matrix) -> Kernel:
    def kernel(train: NDArray[np.int64]) -> Matrix:
        mean, deviation = rows[train].mean(axis=0), rows[train].std(axis=0)
        scaled = (rows - mean) / np.where(deviation > 1e-6 * deviation.max(), deviation, 1)
        return np.asarray(scaled @ scaled.T, np.float32)

    return kernel


def tfidf(notes: Sequence[str], train: NDArray[np.int64]) -> Matrix:
    """As hashed words, of the length that 16,384 standardised numbers have."""
    fitted = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit([notes[at] for at in train])
    found = fitted.transform(notes)
    return np.asarray((found @ found.T).toarray() * 16_384, np.float32)


def out_of_fold(kernel: Kernel, labels: NDArray[np.int64], sites: NDArray[np.str_], seed: int) -> float:
    scores = np.zeros(len(labels))
    for train, test in GroupKFold(FOLDS, shuffle=True, random_state=seed).split(scores, labels, sites):
        values, vectors = np.linalg.eigh(kernel(train).astype(np.float64))
        inputs = vectors * np.sqrt(values.clip(min=0))  # a ridge on these is the same ridge on the features
        inner, val = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(train, groups=sites[train]))
        reached = [roc_auc_score(labels[train[val]], fit(inputs, labels, train[inner], c)[train[val]]) for c in RIDGES]
        scores[test] = fit(inputs, labels, train, RIDGES[int(np.argmax(reached))])[test]
    return float(roc_auc_score(labels, scores))


def fit(
    inputs: NDArray[np.float64], labels: NDArray[np.int64], train: NDArray[np.int64], c: float
) -> NDArray[np.float64]:
    head = LogisticRegression(C=c, max_iter=500).fit(inputs[train], labels[train])
    return np.asarray(head.decision_function(inputs))


if __name__ == "__main__":
    main()

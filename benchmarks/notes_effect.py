"""Whether copies of notes help a classifier with few labels: eight section headers of mts_dialog, hashed words.

    FEDGRAFT_DATA=... python benchmarks/notes_effect.py [SEEDS]       (3)

Of each header 10 or 25 notes train, all others test (texts that occur more than once are on one side). Words of one and
two, characters of three to five, hashed, logarithm of the count, logistic regression. Prints the mean AUROC, one header
against the rest, and the mean over seeds and headers of its difference to no copies. Needs ``wordnet-base`` and
``apertium-eng-spa``.
"""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fedgraft.client.notes.copies import copies_of
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.client.notes.translation import Programs, remembered
from fedgraft.client.notes.wordnet import DEBIAN, WordNet

LEAST, LABELS = 49, (10, 25)
EDA = {"synonyms": 0.1, "swap": 0.1, "delete": 0.1}
WAYS = {
    "no copies": None,
    "EDA, no guard": Recipe(copies=3, **EDA, guard=False),
    "EDA, guard": Recipe(copies=3, **EDA),
    "synonyms, guard": Recipe(copies=3, synonyms=0.1),
    "there and back, no guard": Recipe(copies=1, translate=True, guard=False),
    "there and back, guard": Recipe(copies=1, translate=True),
}


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with (Path(os.environ["FEDGRAFT_DATA"]) / "mts_dialog" / "mts_dialog.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list({row["section_text"]: row for row in csv.DictReader(file)}.values())
    counts = Counter(row["section_header"] for row in rows)
    rows = [row for row in rows if counts[row["section_header"]] >= LEAST]
    notes = np.array([row["section_text"] for row in rows], dtype=object)
    labels = np.array([row["section_header"] for row in rows])
    print(f"{len(notes)} different notes, headers: {', '.join(sorted(set(labels)))}")
    features, translate = _features(list(notes)), remembered(Programs())
    sources = Sources(WordNet(DEBIAN), translate)
    for each in LABELS:
        found: dict[str, list[float]] = {name: [] for name in WAYS}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            train = np.concatenate(
                [rng.permutation(np.flatnonzero(labels == one))[:each] for one in sorted(set(labels))]
            )
            test = np.setdiff1d(np.arange(len(notes)), train)
            for name, recipe in WAYS.items():
                inputs, targets = features[train], labels[train]
                if recipe is not None:
                    made = copies_of(list(notes[train]), recipe, sources, seed)
                    texts = [copy.text for one in made for copy in one.kept]
                    inputs = sparse.vstack([inputs, _features(texts)])
                    targets = np.concatenate([targets, np.repeat(labels[train], [len(one.kept) for one in made])])
                model = LogisticRegression(C=10, max_iter=300).fit(inputs, targets)
                scores = model.predict_proba(features[test])
                found[name].append(roc_auc_score(labels[test], scores, multi_class="ovr", labels=model.classes_))
        plain = np.array(found["no copies"])
        for name, values in found.items():
            gain = np.array(values) - plain
            print(f"{each} labels a header, {name}: {np.mean(values):.3f} ({gain.mean():+.3f}, seeds {gain.round(3)})")


def _features(texts: list[str]) -> sparse.csr_matrix:
    words = HashingVectorizer(n_features=1 << 13, ngram_range=(1, 2), norm=None)
    characters = HashingVectorizer(n_features=1 << 13, analyzer="char_wb", ngram_range=(3, 5), norm=None)
    parts = []
    for one in (words, characters):
        counts = one.transform(texts)
        counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
        length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))).clip(1)
        parts.append(counts.multiply(1 / length))
    return sparse.hstack(parts).tocsr()


if __name__ == "__main__":
    main()

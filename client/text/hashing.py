"""The words of a note, hashed into numbers: nothing is fitted, so that nothing of any site's notes need be sent.

Words and their neighbours, and characters within words, are counted in buckets by a hash, with its sign (Weinberger et
al., "Feature hashing for large scale multitask learning", ICML 2009), by scikit-learn's `HashingVectorizer`. Of a count
the logarithm is taken. Words and characters are each brought to the length that standardised numbers would have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from fedgraft.common.interfaces.inputs import Hashing

_WORD = r"(?u)\b\w+\b"


class Hasher:
    """Hashes notes by the options of a `Hashing`."""

    def __init__(self, hashing: Hashing) -> None:
        shares = 2 if hashing.characters else 1
        self.buckets = hashing.buckets // shares
        shared = {"n_features": self.buckets, "alternate_sign": True, "norm": None, "dtype": np.float32}
        words = HashingVectorizer(analyzer="word", ngram_range=tuple(hashing.words), token_pattern=_WORD, **shared)
        self._parts = [words]
        if hashing.characters:
            span = tuple(hashing.characters)
            self._parts.append(HashingVectorizer(analyzer="char_wb", ngram_range=span, **shared))

    def numbers(self, notes: Sequence[str]) -> NDArray[np.float32]:
        """``(B, buckets)`` float32: words, then characters; the squares of each part sum up to their number."""
        return np.concatenate([self._of(part, notes) for part in self._parts], axis=1)

    def _of(self, part: HashingVectorizer, notes: Sequence[str]) -> NDArray[np.float32]:
        counts = part.transform(list(notes))
        counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
        length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)))
        found: NDArray[np.float32] = counts.toarray() * (math.sqrt(self.buckets) / np.where(length > 0, length, 1))
        return found.astype(np.float32)

"""Notes that are nearly equal, by MinHash (Broder, "On the resemblance and containment of documents", 1997).

The resemblance of two notes is the share of their neighbouring words (shingles) that both have. Each of `HASHES` hash
functions gives the smallest hash of a note's shingles, which is the same for two notes with just that probability.
Notes are compared only if they agree in all of a band of them (Leskovec et al., Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from fedgraft.client.text.notes import words_of

HASHES, ROWS = 128, 8
"""Hash functions, and how many of them make a band: two notes of a resemblance of 0.9 share a band with a probability
of 0.9999, of 0.6 with one of 0.24."""
LEAST = 0.85
"""The estimated resemblance from which two notes count as nearly equal."""
SHINGLE = 3
_PRIME = (1 << 31) - 1
_MOST_OF_A_BAND = (
    50  # notes of one band that are compared with each other; more are equal forms, compared with the first
)


def signatures(notes: Sequence[str]) -> NDArray[np.uint32]:
    """``(N, HASHES)`` uint32: the smallest hash of each note's shingles of `SHINGLE` words, by each function."""
    rng = np.random.default_rng(0)
    factor = rng.integers(1, _PRIME, (HASHES, 1), dtype=np.uint64)
    added = rng.integers(0, _PRIME, (HASHES, 1), dtype=np.uint64)
    found = np.empty((len(notes), HASHES), np.uint32)
    for row, note in zip(found, notes, strict=True):
        values = np.array([xxhash.xxh32_intdigest(one.encode()) for one in _shingles(note)], np.uint64) % _PRIME
        row[:] = ((factor * values + added) % _PRIME).min(axis=1)
    return found


def _shingles(note: str) -> set[str]:
    words = words_of(note)
    return {" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))}


def nearly_equal(found: NDArray[np.uint32]) -> list[tuple[int, ...]]:
    """Places of notes that are nearly equal, directly or through others, in groups of two or more.

    Args:
        found: of `signatures`.
    """
    _, first = np.unique(found, axis=0, return_inverse=True)
    owner = _first_places(first.reshape(-1))
    parent = list(range(len(found)))
    for place, one in enumerate(owner):
        parent[place] = one
    for start in range(0, HASHES, ROWS):
        bands: dict[bytes, list[int]] = defaultdict(list)
        for place in sorted(set(owner)):
            bands[found[place, start : start + ROWS].tobytes()].append(place)
        for places in bands.values():
            _join_alike(found, places, parent)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(found)):
        groups[_root(parent, place)].append(place)
    return [tuple(places) for places in groups.values() if len(places) > 1]


def _first_places(classes: NDArray[np.int64]) -> list[int]:
    """For each note the first that has the same signature."""
    first: dict[int, int] = {}
    return [first.setdefault(int(one), place) for place, one in enumerate(classes)]


def _join_alike(found: NDArray[np.uint32], places: Sequence[int], parent: list[int]) -> None:
    for at, place in enumerate(places[1:], start=1):
        others = places[:at] if len(places) <= _MOST_OF_A_BAND else places[:1]
        for other in others:
            if _root(parent, place) != _root(parent, other) and (found[place] == found[other]).mean() >= LEAST:
                parent[_root(parent, place)] = _root(parent, other)


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place

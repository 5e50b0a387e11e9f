"""Whether sums over some sets of cases tell of a few patients: differencing, from one set to several.

Whoever has the sum of the same quantity over sets A and B has it over A minus B; over A, B and C also over A - B - C,
and so on. A sum with coefficients of 0 for all but a few patients is a sum over these patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.bool_]
"""``(L,)``: whether a set holds each line that the account knows; ``(K, L)`` for K sets."""
Owners = NDArray[np.int64]
"""``(L,)``: the number of each line's patient."""

ALONE, IN_PAIRS, IN_THREES = 2_000, 200, 40
"""The most sets that are combined with a new one: one at a time, two, and three; of more, the latest."""
_ROWS = 1 << 12


def tells_of_few(new: Members, known: Members, owners: Owners, least: int) -> bool:
    """Whether a new set, with up to three known ones added or taken away, leaves 1 to ``least - 1`` patients.

    Args:
        new: ``(L,)``.
        known: ``(K, L)``, the oldest first.
        owners: ``(L,)``.
    """
    if least <= 1 or not len(known):
        return False
    atoms, patients = _atoms(np.vstack([new[None], known]), owners)
    sizes = np.array([len(some) for some in patients])
    _, often = np.unique(np.concatenate([list(some) for some in patients]), return_counts=True)
    # coefficients are at most 4: what is left of fewer than `least` patients has no larger sum of squares
    most = 16 * (least - 1) * int(often.max())
    products = (atoms * sizes) @ atoms.T
    for signs in _combinations(len(known)):
        squares = np.einsum("ij,ij->i", signs @ products, signs)
        for row in signs[(squares > 0.5) & (squares < most + 0.5)]:
            left = np.flatnonzero(row @ atoms)
            if len(frozenset().union(*(patients[atom] for atom in left))) < least:
                return True
    return False


def _atoms(sets: Members, owners: Owners) -> tuple[NDArray[np.float32], list[frozenset[int]]]:
    """Lines that are in the same sets, as one: ``(1 + K, A)`` of 0 and 1, and each atom's patients. Lines that are in
    no set are in no atom."""
    used = np.flatnonzero(sets.any(axis=0))
    packed = np.ascontiguousarray(np.packbits(sets[:, used], axis=0).T)
    _, first, atom = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(atom.reshape(-1), kind="stable")
    borders = np.cumsum(np.bincount(atom.reshape(-1)))[:-1]
    patients = [frozenset(some.tolist()) for some in np.split(owners[used][order], borders)]
    return sets[:, used[first]].astype(np.float32), patients


def _combinations(known: int) -> Iterator[NDArray[np.float32]]:
    """Coefficients ``(rows, 1 + known)``: 1 for the new set, and 1 or -1 for one, two or three known ones."""
    for count, most in ((1, ALONE), (2, IN_PAIRS), (3, IN_THREES)):
        places = _places(max(0, known - most), known, count)
        for signs in product((-1, 1), repeat=count):
            for start in range(0, len(places), _ROWS):
                some = places[start : start + _ROWS]
                rows = np.zeros((len(some), 1 + known), np.float32)
                rows[:, 0] = 1
                rows[np.arange(len(some))[:, None], 1 + some] = signs
                yield rows


def _places(start: int, end: int, count: int) -> NDArray[np.int64]:
    """All ``count`` different numbers from ``start`` to below ``end``, in ascending order: ``(rows, count)``."""
    grid = np.meshgrid(*[np.arange(start, end)] * count, indexing="ij")
    flat = np.stack([axis.reshape(-1) for axis in grid], axis=1)
    return flat[(np.diff(flat, axis=1) > 0).all(axis=1)]

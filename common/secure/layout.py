"""A dictionary of arrays that matter only as a sum over sites, as one vector of words, and back.

An array of float32 travels in words of 32 bits, one of float64 in words of 64. The finest grid is taken on which the
sum over all sites can't wrap around: with N cases in all and ``range`` the largest size of a number per case, the step
is the power of two from ``N * range / 2**31`` on in 32 bits. In 64 bits a number may be `WIDER` times as large per
case, and the step is still finer by ``2**16``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import SecureError
from fedgraft.common.secure.fixed_point import (
    WORD,
    Bits,
    Grid,
    Integers,
    Reals,
    Words,
    as_values,
    as_words,
    grid_for,
    on_grid,
    require_within,
)
from fedgraft.common.secure.masks import Vector

Arrays = Mapping[str, Reals]
WIDER = 2**16
_BITS: dict[np.dtype[Any], Bits] = {np.dtype(np.float32): 32, np.dtype(np.float64): 64}


@dataclass(frozen=True)
class Part:
    """One array's name, shape, and bits of a word."""

    name: str
    shape: tuple[int, ...]
    bits: Bits

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Scale:
    """How finely a sum is counted.

    Attributes:
        cases: over how many the sum is, at all sites together.
        range: the largest size of a number per case, in 32 bits.
    """

    cases: int
    range: float

    def per_case(self, bits: Bits) -> float:
        """The largest size of a number per case."""
        return self.range * (WIDER if bits == 64 else 1)

    def grid(self, bits: Bits) -> Grid:
        return grid_for(self.cases * self.per_case(bits), bits)


def parts_of(arrays: Arrays) -> tuple[Part, ...]:
    """The layout of arrays of float32 or float64, in the order of their names."""
    return tuple(Part(name, arrays[name].shape, _BITS[arrays[name].dtype]) for name in sorted(arrays))


def integers_of(arrays: Arrays, cases: int, scale: Scale) -> dict[str, Integers]:
    """A site's arrays as numbers of steps, by name, in their shapes.

    Args:
        cases: the site's own, over which each number is a sum.

    Raises:
        SecureRangeError: a number is larger than ``cases`` times the largest size per case.
    """
    steps = {bits: scale.grid(bits).step for bits in _BITS.values()}
    found = {}
    for name, values in arrays.items():
        bits = _BITS[values.dtype]
        require_within(name, values, cases * scale.per_case(bits))
        found[name] = on_grid(values, steps[bits])
    return found


def vector_of(integers: Mapping[str, Integers], parts: Sequence[Part]) -> Vector:
    """Numbers of steps as words, in the order of the parts."""

    def joined(bits: Bits) -> Words:
        some = [as_words(integers[part.name].reshape(-1), bits) for part in parts if part.bits == bits]
        return np.concatenate([np.empty(0, WORD[bits]), *some])

    return Vector(joined(32), joined(64))


def empty_vector(parts: Sequence[Part]) -> Vector:
    """Zeros, of the lengths that the parts have."""
    sizes = {bits: sum(part.size for part in parts if part.bits == bits) for bits in (32, 64)}
    return Vector(np.zeros(sizes[32], WORD[32]), np.zeros(sizes[64], WORD[64]))


def arrays_of(total: Vector, parts: Sequence[Part], scale: Scale) -> dict[str, NDArray[np.float64]]:
    """The sums, float64, by name.

    Raises:
        SecureError: the vector is not as long as the parts.
    """
    if not total.fits(empty_vector(parts)):
        raise SecureError("a secure sum is not as long as its layout says")
    grids, found, at = {bits: scale.grid(bits) for bits in _BITS.values()}, {}, {32: 0, 64: 0}
    for part in parts:
        words = total.narrow if part.bits == 32 else total.wide
        some = words[at[part.bits] : at[part.bits] + part.size]
        found[part.name] = as_values(some, grids[part.bits]).reshape(part.shape)
        at[part.bits] += part.size
    return found

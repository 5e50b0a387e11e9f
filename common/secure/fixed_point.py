"""Real numbers as words modulo ``2**bits``, on a grid: they add up without rounding, and a uniform mask hides them.

A value v becomes the integer ``round(v / step)`` (half to even), and an integer its remainder modulo ``2**bits``: two's
complement. A sum over sites is exact as long as it lies within ``2**(bits - 1)`` steps of zero, and differs from the
sum of the values by at most ``step / 2`` for each site. Integers may be changed between the two, for instance by
noise: ``words = as_words(on_grid(values, step) + noise, bits)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import SecureRangeError

Bits = Literal[32, 64]
Reals = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Words = NDArray[np.unsignedinteger[Any]]
WORD: dict[int, np.dtype[np.unsignedinteger[Any]]] = {32: np.dtype("<u4"), 64: np.dtype("<u8")}
"""The dtype of a word by its number of bits: little-endian on every machine."""
SLACK = 2**16
"""Steps that are left for the rounding of so many sites, and more."""
_SIGNED: dict[int, np.dtype[np.signedinteger[Any]]] = {32: np.dtype("<i4"), 64: np.dtype("<i8")}


@dataclass(frozen=True)
class Grid:
    """The grid of some numbers.

    Attributes:
        bits: of a word; the modulus is ``2**bits``.
        step: between neighbouring points, a power of two, so that scaling by it never rounds.
        most: the largest size of the sum over all sites that the grid is made for, `SLACK` steps below wrapping around.
    """

    bits: Bits
    step: float
    most: float

    @property
    def modulus(self) -> int:
        return 1 << self.bits


def grid_for(most: float, bits: Bits) -> Grid:
    """The finest grid on which sums up to the size ``most`` (above 0) do not wrap around."""
    step = math.ldexp(1.0, math.frexp(most)[1] - bits)
    while math.ceil(most / step) > 2 ** (bits - 1) - SLACK:
        step *= 2
    return Grid(bits, step, most)


def on_grid(values: Reals, step: float) -> Integers:
    """The nearest grid points, as numbers of steps: int64, of the values' shape. (Beyond 2**53 steps a float64 is
    coarser than the grid, and is taken as it is.)"""
    found: Integers = np.rint(np.asarray(values, np.float64) / step).astype(np.int64)
    return found


def require_within(name: str, values: Reals, largest: float) -> None:
    """Check a site's values before they are put on a grid.

    Args:
        name: by which the error names them.
        largest: the largest size of one value.

    Raises:
        SecureRangeError: a value is larger, infinite or NaN.
    """
    if not values.size:
        return
    found = float(np.abs(values).max())
    if not found <= largest:  # NaN compares false
        said = f"{found:.3g}" if math.isfinite(found) else "not finite"
        raise SecureRangeError(
            f"{name}: a number is {said}, and words of the secure sum hold up to {largest:.3g} at this site; set "
            "aggregation.range (or aggregation.norm) larger, or look at the site's cases"
        )


def as_words(integers: Integers, bits: Bits) -> Words:
    """Integers modulo ``2**bits``; a new array."""
    return integers.astype(WORD[64], copy=True).astype(WORD[bits], copy=False)


def as_values(words: Words, grid: Grid) -> NDArray[np.float64]:
    """The values of sums, float64: of all numbers with these remainders the one nearest to zero."""
    signed = words.view(_SIGNED[grid.bits])
    found: NDArray[np.float64] = signed.astype(np.float64) * grid.step
    return found

"""Gaussian noise from the operating system's randomness, on numbers that lie on a grid.

Never from a plan's seed, which a coordinator knows and could subtract. A sum is rounded to a grid of powers of two, and
the noise is whole numbers of steps, so that the lowest bits of floating-point numbers tell nothing (Mironov, CCS 2012)
and a secure sum of such numbers is exact.

A site that is protected by its own noise rounds Gaussian numbers: rounding noise that is added to whole numbers is the
same as rounding their noisy sum. Sites that share the noise of a secure sum draw discrete Gaussians, whose sum is known
(Kairouz et al., ICML 2021). Uniform numbers have 52 bits; what lies beyond has a probability below 1e-15 for each.
"""

from __future__ import annotations

import math
import os

import numpy as np
import scipy  # its rooms are loaded when first used
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_STEPS = 2**20
"""Steps, at least, in the length of the longest vector that a patient can give."""


def with_noise(summed: Vector, bound: float, noise: float, units: Vector | float = 1.0, parties: int = 1) -> Vector:
    """A sum over patients with noise.

    Args:
        summed: ``(D,)``, to which each patient gave a vector of at most ``bound`` in length, number by number divided
            by ``units``.
        noise: the deviation in lengths of such a vector (`fedgraft.common.privacy.accountant.Release.noise`).
        parties: how many sites, at least, add noise to the same sum; each adds its part.

    Returns:
        ``(D,)``, multiples of a power of two of each number's own, at most ``bound * units / 2**20``.
    """
    units = np.broadcast_to(np.asarray(units, np.float64), summed.shape)
    grid = 2.0 ** np.floor(np.log2(bound * units / _STEPS))
    rounding = bound * math.sqrt(summed.size) / _STEPS  # each number moves by half a step at most, with and without
    deviation = noise * (bound + rounding) * units / grid / math.sqrt(parties)
    drawn = discrete_normal(deviation) if parties > 1 else np.rint(deviation * normal(summed.size))
    return grid * (np.rint(summed / grid) + drawn)


def normal(count: int) -> Vector:
    """Standard normal numbers, ``(count,)``, by inversion of the distribution's function."""
    found: Vector = scipy.special.ndtri(_uniform(count))
    return found


def discrete_normal(deviation: Vector) -> Vector:
    """Whole numbers k with a probability in proportion to ``exp(-k**2 / (2 * deviation**2))``, ``(D,)``.

    By rejection from a discrete Laplace distribution (Canonne, Kamath & Steinke, NeurIPS 2020, algorithm 3).
    """
    scale = np.floor(deviation) + 1
    found, left = np.zeros_like(deviation), np.arange(deviation.size)
    while left.size:
        own, wide = scale[left], deviation[left]
        drawn = _geometric(own) - _geometric(own)
        near = np.exp(-((np.abs(drawn) - wide**2 / own) ** 2) / (2 * wide**2))
        taken = _uniform(left.size) < near
        found[left[taken]] = drawn[taken]
        left = left[~taken]
    return found


def drawn(count: int, probability: float) -> NDArray[np.bool_]:
    """Which of so many are chosen, each by itself with the same probability, ``(count,)``."""
    return np.asarray(_uniform(count) < probability)


def _geometric(scale: Vector) -> Vector:
    """Whole numbers of which ``exp(-k / scale)`` are k or more."""
    return np.asarray(np.floor(-scale * np.log(_uniform(scale.size))), np.float64)


def _uniform(count: int) -> Vector:
    """Between 0 and 1."""
    whole = np.frombuffer(os.urandom(8 * count), dtype=np.uint64) >> np.uint64(12)
    return (whole.astype(np.float64) + 0.5) * 2.0**-52

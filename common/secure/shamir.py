"""Share secrets so that ``threshold`` of the shares give them back and fewer tell nothing (Shamir, CACM 22, 1979).

A secret of 32 bytes is nine limbs of 30 bits, each the value at 0 of a random polynomial over the field of 2**31 - 1;
the 14 bits that are left over hold a checksum, so that a wrong share is noticed. All secrets, limbs and points of a
call are computed together in numpy.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import SecureError

PRIME = 2**31 - 1
SECRET_BYTES, LIMBS = 32, 9
SHARE_BYTES = 4 * LIMBS
Shares = NDArray[np.uint32]
_LIMB_BITS, _CHECK_BITS = 30, 14
_P, _BITS = np.uint64(PRIME), np.uint64(31)


def share(secrets: Sequence[bytes], points: Sequence[int], threshold: int) -> Shares:
    """Share several secrets of 32 bytes among the same holders.

    Args:
        points: a different one for each holder, from 1 to ``PRIME - 1``.
        threshold: how many shares give a secret back, from 1 to the number of points.

    Returns:
        ``(holders, secrets, LIMBS)``.
    """
    if not 1 <= threshold <= len(points) or len(set(points)) < len(points) or not all(0 < x < PRIME for x in points):
        raise ValueError("a threshold must be from 1 to the number of holders, whose points differ and are above 0")
    constant = np.array([_limbs(secret) for secret in secrets], np.uint64).reshape(1, -1)
    x = np.array(points, np.uint64)[:, np.newaxis]
    higher = _random((threshold - 1, constant.shape[1]))
    value = np.zeros((len(points), constant.shape[1]), np.uint64)
    for coefficients in higher[::-1]:  # a little above 2**32 at most, times a point below 2**31
        value = _folded((value + coefficients) * x)
    return ((value + constant) % _P).astype(np.uint32).reshape(len(points), len(secrets), LIMBS)


def _folded(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers below 2**64 modulo the prime, up to two multiples of it, faster than by division: 2**31 counts as 1."""
    once = (values & _P) + (values >> _BITS)
    found: NDArray[np.uint64] = (once & _P) + (once >> _BITS)
    return found


def restore(points: Sequence[int], shares: Shares) -> bytes:
    """A secret from as many shares of it as the threshold says, or more of which the surplus is left out by the caller.

    Args:
        shares: ``(points, LIMBS)``.

    Raises:
        SecureError: a share is wrong, or too few are given.
    """
    weights = np.array(_weights(tuple(points)), np.uint64)[:, np.newaxis]
    terms = shares.astype(np.uint64) % _P * weights % _P
    return _secret([int(limb) for limb in terms.sum(axis=0) % _P])  # sums of 2**33 terms would fit


@lru_cache(maxsize=4096)
def _weights(points: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's weights at 0."""
    found = []
    for place, x in enumerate(points):
        above, below = 1, 1
        for other, y in enumerate(points):
            if other != place:
                above, below = above * y % PRIME, below * (y - x) % PRIME
        found.append(above * pow(below, -1, PRIME) % PRIME)
    return tuple(found)


def _limbs(secret: bytes) -> list[int]:
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret must have {SECRET_BYTES} bytes")
    whole = int.from_bytes(secret, "little") | _check(secret) << 8 * SECRET_BYTES
    return [whole >> _LIMB_BITS * place & (1 << _LIMB_BITS) - 1 for place in range(LIMBS)]


def _secret(limbs: Sequence[int]) -> bytes:
    whole = sum(limb << _LIMB_BITS * place for place, limb in enumerate(limbs))
    secret = (whole & (1 << 8 * SECRET_BYTES) - 1).to_bytes(SECRET_BYTES, "little")
    if max(limbs) >> _LIMB_BITS or whole >> 8 * SECRET_BYTES != _check(secret):
        raise SecureError("the shares of a site's secret do not fit together: one is wrong, or they are too few")
    return secret


def _check(secret: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"fedgraft share" + secret).digest()[:2], "little") >> 16 - _CHECK_BITS


def _random(shape: tuple[int, int]) -> NDArray[np.uint64]:
    """Uniform elements of the field, from the operating system; the one value of 31 bits that is none is drawn anew."""
    size = shape[0] * shape[1]
    drawn = np.frombuffer(os.urandom(4 * size), "<u4") & np.uint32(PRIME)
    while (wrong := drawn == PRIME).any():
        drawn = drawn.copy()
        drawn[wrong] = np.frombuffer(os.urandom(4 * int(wrong.sum())), "<u4") & np.uint32(PRIME)
    return drawn.astype(np.uint64).reshape(shape)

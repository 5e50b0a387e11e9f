"""Masks: ChaCha20's keystream (RFC 8439) of a seed, as words that are added to a vector modulo its word size.

It is what ChaCha20-Poly1305 makes of zeros, from block 1 on, in one call. All 256 bits of a seed are the cipher's key.
(A 32-bit generator, as flwr's SecAgg+ uses, can be tried out.) Each seed makes one mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from fedgraft.common.secure.fixed_point import WORD, Words

_NONCE = bytes(12)  # a seed is used once


@dataclass(frozen=True)
class Vector:
    """All numbers of one sum as words: those of 32 bits, and those of 64."""

    narrow: Words
    wide: Words

    @property
    def nbytes(self) -> int:
        return int(self.narrow.nbytes + self.wide.nbytes)

    def copy(self) -> Vector:
        return Vector(self.narrow.copy(), self.wide.copy())

    def add(self, other: Vector) -> None:
        """Add another vector of the same lengths to this one, in place."""
        self.change(other, 1)

    def subtract(self, other: Vector) -> None:
        self.change(other, -1)

    def change(self, other: Vector, sign: int) -> None:
        """Add the other vector, or with a sign below 0 subtract it."""
        change = np.add if sign > 0 else np.subtract
        change(self.narrow, other.narrow, out=self.narrow)
        if self.wide.size:
            change(self.wide, other.wide, out=self.wide)

    def fits(self, other: Vector) -> bool:
        return self.narrow.shape == other.narrow.shape and self.wide.shape == other.wide.shape


def zeros_like(vector: Vector) -> Vector:
    return Vector(np.zeros_like(vector.narrow), np.zeros_like(vector.wide))


def mask_of(seed: bytes, like: Vector) -> Vector:
    """The mask of a seed of 32 bytes for a vector of these lengths; read-only."""
    stream = ChaCha20Poly1305(seed).encrypt(_NONCE, _zeros(like.nbytes), None)  # its tag, at the end, is left out
    wide = np.frombuffer(stream, WORD[64], len(like.wide), like.narrow.nbytes)
    return Vector(np.frombuffer(stream, WORD[32], len(like.narrow)), wide)


@lru_cache(maxsize=4)
def _zeros(size: int) -> bytes:
    return bytes(size)


def masked(vector: Vector, own: bytes, added: Sequence[bytes], taken: Sequence[bytes]) -> Vector:
    """A site's vector with its own mask, and those that it shares with others.

    Args:
        own: the seed of its own mask, which is added.
        added, taken: seeds that it shares with sites that take, or add, the same mask.
    """
    found = vector.copy()
    for sign, seeds in ((1, (own, *added)), (-1, taken)):
        for seed in seeds:
            found.change(mask_of(seed, vector), sign)
    return found

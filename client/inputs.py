"""What makes a case the backbone's input: one implementation for images, one for tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.decoding import Wanted
from fedgraft.client.manifest import Case


class Inputs(Protocol):
    """Cases to inputs; keys and fingerprint name everything that shapes one: what is kept of it is never stale."""

    @property
    def fingerprint(self) -> str:
        """Of everything that shapes an input besides the case and the view."""

    def keys(self, wanted: Sequence[Wanted]) -> list[bytes]:
        """32 bytes for each: a digest of the case's content and of the view."""

    def usable(self, cases: Sequence[Case]) -> NDArray[np.bool_]:
        """``(N,)``: which cases can be read; the others are quarantined, each for a reason of `unusable.REASONS`."""

    def batches(self, wanted: Sequence[Wanted], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """Which part of ``wanted``, and its inputs: ``(B, *spec.shape)`` float32 on the CPU; all cases are usable."""

"""Where the inputs of a network come from: images (`fedgraft.client.images.inputs`) or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case

Progress = Callable[[int], None]


class CaseView(NamedTuple):
    """One view of one case; view 0 is the case as it is."""

    case: Case
    view: int = 0


class Inputs(Protocol):
    """Cases as a network takes them."""

    @property
    def fingerprint(self) -> str:
        """Changes with everything that shapes an input, besides the case and the view."""

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases of a manifest's lines: a line that names a series, for instance, is several."""

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        """Of each case: 0 if it is usable, else the number of its reason (`fedgraft.client.cohort.quarantine`)."""

    def digests(self, cases: Sequence[Case]) -> Sequence[bytes] | None:
        """Equal for cases that look the same; ``None`` if that means nothing, as for the rows of a table."""

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """32 bytes each: the case's content and all that shapes it, and the view. Only for usable cases."""

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """Which part of ``wanted``, and its inputs, ``(B, *spec.shape)`` float32; at most ``batch`` at once."""

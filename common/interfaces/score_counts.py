"""Binned scores of one class or finding: what an evaluation tells about how its scores and the truth go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """The cases of an evaluation by score.

    Attributes:
        scores: ``(K,)`` float64, ascending: log odds, the centres of the filled bins.
        negatives, positives: ``(K,)`` int64: cases without and with the class or finding.
    """

    scores: NDArray[np.float64]
    negatives: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def cases(self) -> int:
        return int(self.negatives.sum() + self.positives.sum())

    @property
    def one_sided(self) -> bool:
        """Whether all cases are negative, or all are positive, or there is none."""
        return not (self.negatives.any() and self.positives.any())

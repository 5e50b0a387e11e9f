"""Borderline-SMOTE: SMOTE only from cases near other classes (Han et al., ICIC 2005, variant 1)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import require_neighbours, with_new_cases


class BorderlineSmote(Synthesiser):
    """`fedgraft.common.sampling.smote.Smote`, only from cases "in danger": at least half of their neighbours, but not
    all, are of other classes. A class without such a case gets no new ones.

    Args:
        share: each of the site's classes is filled up to this share of its commonest; above 0 and at most 1.
        neighbours: neighbours within its class towards which a case is interpolated; 1 or more.
        around: neighbours of any class by which a case is judged to be in danger; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5, around: int = 10) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)
        self._around = require_neighbours(around, "around")

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The given cases and new ones; see `fedgraft.common.sampling.synthesis.with_new_cases`."""
        around = min(self._around, len(labels) - 1)

        def maker(wanted: dict[int, int], neighbours: int, seed: int) -> Any:
            from imblearn.over_sampling import BorderlineSMOTE  # a second to import

            return BorderlineSMOTE(
                sampling_strategy=wanted, random_state=seed, k_neighbors=neighbours, m_neighbors=around
            )

        return with_new_cases(vectors, labels, self._share, self._neighbours, seed, maker)

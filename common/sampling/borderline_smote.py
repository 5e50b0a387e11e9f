"""Borderline-SMOTE: SMOTE from the cases near other classes only (Han et al., ICIC 2005, the first of its variants)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import grown, require_neighbours


class BorderlineSmote(Synthesiser):
    """`fedgraft.common.sampling.smote.Smote` from cases in danger: at least half of their neighbours, but not all, are
    of other classes. A class without such a case stays as it is.

    Args:
        share: each class that the site has comes up to this part of its commonest one; above 0 and at most 1.
        neighbours: of a case, among those of its class; 1 or more.
        around: neighbours of any class, by which danger is judged; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5, around: int = 10) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)
        self._around = require_neighbours(around, "around")

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """`fedgraft.common.sampling.synthesis.grown`."""
        around = min(self._around, len(labels) - 1)

        def maker(wanted: dict[int, int], neighbours: int, seed: int) -> Any:
            from imblearn.over_sampling import BorderlineSMOTE  # a second to import

            return BorderlineSMOTE(
                sampling_strategy=wanted, random_state=seed, k_neighbors=neighbours, m_neighbors=around
            )

        return grown(vectors, labels, self._share, self._neighbours, seed, maker)

"""SMOTE: new cases of rare classes by interpolation (Chawla et al., J. Artif. Intell. Res. 16, 2002)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import require_neighbours, with_new_cases


class Smote(Synthesiser):
    """Makes each new case at a random point between a case of the class and one of its neighbours within the class.

    Args:
        share: each of the site's classes is filled up to this share of its commonest; above 0 and at most 1.
        neighbours: how many nearest neighbours one is drawn from; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The given cases and new ones; see `fedgraft.common.sampling.synthesis.with_new_cases`."""
        return with_new_cases(vectors, labels, self._share, self._neighbours, seed, _smote)


def _smote(wanted: dict[int, int], neighbours: int, seed: int) -> Any:
    from imblearn.over_sampling import SMOTE  # a second to import

    return SMOTE(sampling_strategy=wanted, random_state=seed, k_neighbors=neighbours)

"""SMOTE: new cases of rare classes between those that are there (Chawla et al., J. Artif. Intell. Res. 16, 2002)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import grown, require_neighbours


class Smote(Synthesiser):
    """A new case lies at a random place between one of its class and one of that case's neighbours in the class.

    Args:
        share: each class that the site has comes up to this part of its commonest one; above 0 and at most 1.
        neighbours: of a case, among those of its class; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """`fedgraft.common.sampling.synthesis.grown`."""
        return grown(vectors, labels, self._share, self._neighbours, seed, _smote)


def _smote(wanted: dict[int, int], neighbours: int, seed: int) -> Any:
    from imblearn.over_sampling import SMOTE  # a second to import

    return SMOTE(sampling_strategy=wanted, random_state=seed, k_neighbors=neighbours)

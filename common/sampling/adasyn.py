"""ADASYN: SMOTE with more new cases where other classes are near (He et al., IJCNN 2008)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import grown, require_neighbours


class Adasyn(Synthesiser):
    """How many new cases start from a case follows from how many of its neighbours are of other classes.

    A class none of whose cases has such a neighbour stays as it is. The number made is rounded case by case.

    Args:
        share: each class that the site has comes up to about this part of its commonest one; above 0 and at most 1.
        neighbours: of a case, both of any class and of its own; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """`fedgraft.common.sampling.synthesis.grown`."""
        return grown(vectors, labels, self._share, self._neighbours, seed, _Adasyn)


class _Adasyn:
    """imbalanced-learn's, which raises where nothing can be made."""

    def __init__(self, wanted: dict[int, int], neighbours: int, seed: int) -> None:
        from imblearn.over_sampling import ADASYN  # a second to import

        self._sampler = ADASYN(sampling_strategy=wanted, random_state=seed, n_neighbors=neighbours)

    def fit_resample(self, vectors: Any, labels: Any) -> tuple[Any, Any]:
        try:
            grown_vectors, grown_labels = self._sampler.fit_resample(vectors, labels)
        except (RuntimeError, ValueError) as error:
            if "Not any neigbours" in str(error) or "No samples will be generated" in str(error):
                return vectors, labels
            raise
        return grown_vectors, grown_labels

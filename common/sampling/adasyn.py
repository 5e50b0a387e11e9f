"""ADASYN: like SMOTE, with more new cases where other classes are near (He et al., IJCNN 2008)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.sampling.classes import require_share
from fedgraft.common.sampling.synthesis import require_neighbours, with_new_cases


class Adasyn(Synthesiser):
    """Makes new cases from each case in proportion to how many of its neighbours are of other classes.

    A class in which no case has such a neighbour gets no new cases. The number per case is rounded, so that a class
    comes up to ``share`` only approximately.

    Args:
        share: each of the site's classes is filled up to about this share of its commonest; above 0 and at most 1.
        neighbours: neighbours of a case that are considered, among all classes and within its own; 1 or more.

    Raises:
        PlanError: an option is out of range.
    """

    def __init__(self, share: float = 1.0, neighbours: int = 5) -> None:
        self._share, self._neighbours = require_share(share), require_neighbours(neighbours)

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The given cases and new ones; see `fedgraft.common.sampling.synthesis.with_new_cases`."""
        return with_new_cases(vectors, labels, self._share, self._neighbours, seed, _Adasyn)


class _Adasyn:
    """imbalanced-learn's ADASYN; where that raises because it can make no case, this returns the given ones."""

    def __init__(self, wanted: dict[int, int], neighbours: int, seed: int) -> None:
        from imblearn.over_sampling import ADASYN  # a second to import

        self._sampler = ADASYN(sampling_strategy=wanted, random_state=seed, n_neighbors=neighbours)

    def fit_resample(self, vectors: Any, labels: Any) -> tuple[Any, Any]:
        try:
            all_vectors, all_labels = self._sampler.fit_resample(vectors, labels)
        except (RuntimeError, ValueError) as error:
            if "Not any neigbours" in str(error) or "No samples will be generated" in str(error):
                return vectors, labels
            raise
        return all_vectors, all_labels

"""Make new cases of rare classes with an over-sampler of imbalanced-learn, class by class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.sampling.classes import by_class

Maker = Callable[[dict[int, int], int, int], Any]
"""Builds an over-sampler of imbalanced-learn from ``(number of cases wanted by class, neighbours, seed)``."""


def with_new_cases(
    vectors: Tensor, labels: Tensor, share: float, neighbours: int, seed: int, maker: Maker
) -> tuple[Tensor, Tensor]:
    """The given cases, followed by new ones that fill each class up to ``share`` of the commonest.

    A class of one case gets no new ones, since it has no neighbour; nor does a site with one class. In a class of n
    cases at most n - 1 neighbours are used.

    Args:
        vectors: ``(N, F)`` float32.
        labels: ``(N,)`` int64.
        maker: builds the over-sampler for one class.

    Returns:
        vectors ``(M, F)`` float32 and labels ``(M,)`` int64.
    """
    classes = by_class(labels)
    wanted = round(share * max(len(cases) for cases in classes))
    made_vectors, made_labels = [vectors], [labels]
    if len(classes) > 1:
        for cases in classes:
            if 2 <= len(cases) < wanted:
                label = int(labels[cases[0]])
                sampler = maker({label: wanted}, min(neighbours, len(cases) - 1), seed)
                new = torch.from_numpy(sampler.fit_resample(vectors.numpy(), labels.numpy())[0][len(vectors) :])
                made_vectors.append(new)
                made_labels.append(torch.full((len(new),), label))
    return torch.cat(made_vectors), torch.cat(made_labels)


def require_neighbours(neighbours: int, option: str = "neighbours") -> int:
    """Return ``neighbours``, the value of ``sampling.<option>``, after checking it.

    Raises:
        PlanError: it is below 1.
    """
    if neighbours < 1:
        raise PlanError(f"sampling.{option}={neighbours} must be 1 or more")
    return neighbours

"""New cases of rare classes by imbalanced-learn, which draws them one class after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.sampling.classes import by_class

Maker = Callable[[dict[int, int], int, int], Any]
"""``(cases wanted by class, neighbours, seed)`` -> an over-sampler of imbalanced-learn."""


def grown(
    vectors: Tensor, labels: Tensor, share: float, neighbours: int, seed: int, maker: Maker
) -> tuple[Tensor, Tensor]:
    """The given cases, and after them new ones: each class comes up to ``share`` of the commonest.

    A class of one case has no neighbour to go towards, and a site of one class nothing to balance: they stay as they
    are. A class of n cases has at most n - 1 neighbours.

    Args:
        vectors: ``(N, F)`` float32; ``labels``: ``(N,)`` int64.
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
    """``neighbours``, of a case.

    Raises:
        PlanError: it is below 1.
    """
    if neighbours < 1:
        raise PlanError(f"sampling.{option}={neighbours} must be 1 or more")
    return neighbours

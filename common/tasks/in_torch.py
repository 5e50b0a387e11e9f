"""Scores and probabilities of classes in torch, for gradients and for files that other programs run."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.common.tasks.class_evaluation import scored_classes


def class_log_odds(outputs: Tensor) -> Tensor:
    """The log odds of the `scored_classes`, each against all others: logits ``(N, C)`` -> ``(N, S)``."""
    classes = range(outputs.shape[1])
    found = []
    for c in scored_classes(len(classes)):
        others = torch.cat([outputs[:, :c], outputs[:, c + 1 :]], dim=1)
        found.append(outputs[:, c] - others.logsumexp(dim=1))
    return torch.stack(found, dim=1)


def class_shares(log_odds: Tensor) -> Tensor:
    """`fedgraft.common.tasks.class_evaluation.class_probabilities`: ``(N, S)`` -> ``(N, C)``."""
    if log_odds.shape[1] == 1:
        log_odds = torch.cat([-log_odds, log_odds], dim=1)
    return functional.logsigmoid(log_odds).softmax(dim=1)

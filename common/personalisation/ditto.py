"""Ditto (Li et al., ICML 2021): beside the shared model, each site trains a copy of its own that stays near it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import PersonalTraining


class Ditto(PersonalTraining):
    """Algorithm 1: the copy's loss gains ``mu / 2 * sum |v - w|^2``, w being the shared model that came in the round.

    Args:
        mu: the paper's lambda; 0 would be training alone from the first model on.
        epochs: of the copy, each round; ``None`` for ``train.epochs``.

    Raises:
        PlanError: ``mu`` is not above 0, or ``epochs`` is below 1.
    """

    def __init__(self, mu: float, epochs: int | None = None) -> None:
        if not mu > 0:
            raise PlanError(
                f"personal.mu={mu:g} must be above 0: with 0 a site's own copy would learn nothing of others"
            )
        if epochs is not None and epochs < 1:
            raise PlanError(f"personal.epochs={epochs} must be 1 or more, or null for train.epochs")
        self.mu, self.epochs = float(mu), epochs

    def local(self) -> tuple[str, ...]:
        return ()

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return True

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        train = replace(task.train, epochs=self.epochs or task.train.epochs)
        train_locally(network, replace(task, mu=self.mu, train=train), device)

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

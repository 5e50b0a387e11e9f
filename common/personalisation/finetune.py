"""Fine-tuning after the last round (Wang et al. 2019): each site trains on from the final model, for itself alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import PersonalTraining


class FineTune(PersonalTraining):
    """Rounds are as without it; before the final evaluation each site trains what the plan trains.

    Args:
        epochs: over the site's training cases.
        lr: constant; ``None`` for that of the last round.

    Raises:
        PlanError: ``epochs`` is below 1, or ``lr`` is not above 0.
    """

    def __init__(self, epochs: int, lr: float | None = None) -> None:
        if epochs < 1:
            raise PlanError(f"personal.epochs={epochs} must be 1 or more; without it use personal=none")
        if lr is not None and not lr > 0:
            raise PlanError(f"personal.lr={lr:g} must be above 0, or null for the rate of the last round")
        self.epochs, self.lr = epochs, lr

    def local(self) -> tuple[str, ...]:
        return ()

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        train = replace(task.train, epochs=self.epochs)
        train_locally(network, replace(task, train=train, lr=self.lr or task.lr, mu=0.0), device)

"""How a site trains a model of which a part may be its own."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from fedgraft.client.training import Task, train_locally
from fedgraft.common import parts
from fedgraft.common.personal import Personalisation
from fedgraft.common.plan import Plan


class PersonalTraining(Personalisation, Protocol):
    """What a site does in a round, and with the final model."""

    def train(self, network: nn.Module, task: Task, device: torch.device) -> float:
        """Train what is shared (and local), in place; returns the mean loss per case."""

    def own(self, network: nn.Module, task: Task, device: torch.device, held: dict[str, Tensor]) -> dict[str, Tensor]:
        """After the update was taken: the site's own copy of trained tensors, by name in the model's state.

        Args:
            network: holds what came, before any training; may be changed.
            held: what this gave in the last round; empty in the first.

        Returns:
            what is kept at the site, and evaluated there instead of the shared tensors; empty for nothing.
        """

    def finish(self, network: nn.Module, task: Task, device: torch.device) -> None:
        """Before the evaluation of the final model: change the network in place, for this evaluation only."""


class OneForAll(PersonalTraining):
    """Nothing is a site's own."""

    def local(self) -> tuple[str, ...]:
        return ()

    def train(self, network: nn.Module, task: Task, device: torch.device) -> float:
        return train_locally(network, task, device)

    def own(self, network: nn.Module, task: Task, device: torch.device, held: dict[str, Tensor]) -> dict[str, Tensor]:
        return {}

    def finish(self, network: nn.Module, task: Task, device: torch.device) -> None:
        return None


def personal_training(plan: Plan, allowed: tuple[str, ...]) -> PersonalTraining:
    """What the plan's ``personal`` names."""
    if plan.personal.target is None:
        return OneForAll()
    found: PersonalTraining = parts.build(plan.personal.target, "personal", plan.personal.options, allowed)
    return found

"""How a site trains a model of which a part may be its own."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from fedgraft.client.training import Task, train_locally
from fedgraft.common import parts
from fedgraft.common.personal import Personalisation
from fedgraft.common.plan import Plan


class PersonalTraining(Personalisation, Protocol):
    """What a site does in a round, and with the final model."""

    def train(self, network: nn.Module, task: Task, device: torch.device) -> float:
        """Train what is shared (and local), in place; returns the mean loss per case."""

    def has_copy(self) -> bool:
        """Whether a site trains a copy of the model for itself: it is kept on the site's disk, and evaluated there
        instead of the shared model."""

    def own(self, network: nn.Module, task: Task, device: torch.device) -> None:
        """After a round's update was taken: train the site's own copy, in place; called only if there is one.

        Args:
            network: the copy as this left it in the site's last round; in the first, the model that came.
            task: ``received`` is what came in this round.
        """

    def finish(self, network: nn.Module, task: Task, device: torch.device) -> None:
        """Before the evaluation of the final model: change the network in place, for this evaluation only."""


class OneForAll(PersonalTraining):
    """Nothing is a site's own."""

    def local(self) -> tuple[str, ...]:
        return ()

    def train(self, network: nn.Module, task: Task, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: Task, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: Task, device: torch.device) -> None:
        return None


def personal_training(plan: Plan, allowed: tuple[str, ...]) -> PersonalTraining:
    """What the plan's ``personal`` names."""
    if plan.personal.target is None:
        return OneForAll()
    found: PersonalTraining = parts.build(plan.personal.target, "personal", plan.personal.options, allowed)
    return found

"""FedRep (Collins et al., ICML 2021): each site fits its own head to the body that came, then the body to its head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import PersonalTraining
from fedgraft.common.interfaces.roles import HEAD


class FedRep(PersonalTraining):
    """Algorithm 1: the head's steps with the body held, then the body's with the head held.

    Args:
        head_epochs: over the site's training cases, for the head; ``train.epochs`` are the body's.

    Raises:
        PlanError: ``head_epochs`` is below 1.
    """

    def __init__(self, head_epochs: int) -> None:
        if head_epochs < 1:
            raise PlanError(f"personal.head_epochs={head_epochs} must be 1 or more; without it use personal=fedper")
        self.head_epochs = head_epochs

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        """The mean loss is over the epochs of both; a body that is all held in this round (``train.unfreeze``) is not
        trained."""
        head = _only(network, task, lambda name: name.startswith(HEAD))
        phases = [
            replace(head, train=replace(task.train, epochs=self.head_epochs)),
            _only(network, task, lambda name: not name.startswith(HEAD)),
        ]
        phases = [phase for phase in phases if _trains(network, phase)]
        losses = [train_locally(network, phase, device) * phase.train.epochs for phase in phases]
        return sum(losses) / sum(phase.train.epochs for phase in phases)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None


def _only(network: nn.Module, task: LocalTraining, chosen: Callable[[str], bool]) -> LocalTraining:
    """The task with all other parameters held."""
    held = {name: 0.0 for name, _ in network.named_parameters() if not chosen(name)}
    return replace(task, rates={**task.rates, **held})


def _trains(network: nn.Module, task: LocalTraining) -> bool:
    return any(p.requires_grad and task.rates.get(name, 1.0) > 0 for name, p in network.named_parameters())

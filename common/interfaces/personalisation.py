"""What of a model is a site's own: what a plan's ``personal._target_`` must be."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining


@runtime_checkable
class Personalisation(Protocol):
    """What of the shared tensors stays at the site."""

    def local(self) -> tuple[str, ...]:
        """Beginnings of names in the model's state whose tensors are local instead of shared; empty for none."""


class PersonalTraining(Personalisation, Protocol):
    """What a site does in a round, and with the final model."""

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        """Train what is shared (and local), in place; returns the mean loss per case."""

    def has_copy(self) -> bool:
        """Whether a site trains a copy of the model for itself: it is kept on the site's disk, and evaluated there
        instead of the shared model."""

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        """After a round's update was taken: train the site's own copy, in place; called only if there is one.

        Args:
            network: the copy as this left it in the site's last round; in the first, the model that came.
            task: ``received`` is what came in this round.
        """

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        """Before the evaluation of the final model: change the network in place, for this evaluation only."""

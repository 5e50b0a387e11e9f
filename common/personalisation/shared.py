"""One model for all: nothing is a site's own."""

from __future__ import annotations

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.interfaces.personalisation import PersonalTraining


class OneForAll(PersonalTraining):
    """Nothing is a site's own."""

    def local(self) -> tuple[str, ...]:
        return ()

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

"""FedPer (Arivazhagan et al. 2019): the head is each site's own, all before it is trained together."""

from __future__ import annotations

import torch
from torch import nn

from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.interfaces.personalisation import PersonalTraining
from fedgraft.common.interfaces.roles import HEAD


class FedPer(PersonalTraining):
    """Body and head are trained at once, as without it; the head never leaves (algorithm 1)."""

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def train(self, network: nn.Module, task: LocalTraining, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: LocalTraining, device: torch.device) -> None:
        return None

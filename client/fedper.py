"""FedPer (Arivazhagan et al. 2019): the head is each site's own, all before it is trained together."""

from __future__ import annotations

import torch
from torch import nn

from fedgraft.client.personal import PersonalTraining
from fedgraft.client.training import Task, train_locally
from fedgraft.common.roles import HEAD


class FedPer(PersonalTraining):
    """Body and head are trained at once, as without it; the head never leaves (algorithm 1)."""

    def local(self) -> tuple[str, ...]:
        return (HEAD,)

    def train(self, network: nn.Module, task: Task, device: torch.device) -> float:
        return train_locally(network, task, device)

    def has_copy(self) -> bool:
        return False

    def own(self, network: nn.Module, task: Task, device: torch.device) -> None:
        return None

    def finish(self, network: nn.Module, task: Task, device: torch.device) -> None:
        return None

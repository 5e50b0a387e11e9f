"""A site's training in a round: as the plan's ``personal`` part does it, or plain local training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from fedgraft.client.fence.clipping import factors
from fedgraft.client.fence.units import UnitWatch, rests_on_few
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common.interfaces.personalisation import Chosen, Personalisation, SiteTraining, TrainsItsOwnWay

SPARE = (1.1, 1.8)
"""How much more than enough is asked for, each time that a round is trained again to rest on enough patients."""


@dataclass(frozen=True)
class NetworkTraining(SiteTraining):
    """`fedgraft.common.interfaces.personalisation.SiteTraining` of a session's network."""

    network: nn.Module
    task: LocalTraining
    device: torch.device

    @property
    def epochs(self) -> int:
        return self.task.train.epochs

    def run(
        self,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        mu: float | None = None,
        only: Chosen | None = None,
    ) -> float:
        varied = replace(
            self.task,
            train=replace(self.task.train, epochs=epochs or self.epochs),
            lr=lr or self.task.lr,
            mu=self.task.mu if mu is None else mu,
            rates=self._rates(only),
        )
        return train_locally(self.network, varied, self.device)

    def trains(self, only: Chosen) -> bool:
        rates = self._rates(only)
        return any(p.requires_grad and rates.get(name, 1.0) > 0 for name, p in self.network.named_parameters())

    def _rates(self, only: Chosen | None) -> dict[str, float]:
        """Factors of the learning rate by parameter name; 0 for parameters that are not in ``only``."""
        held = {} if only is None else {name: 0.0 for name, _ in self.network.named_parameters() if not only(name)}
        return {**self.task.rates, **held}


def trained_on_enough(watch: UnitWatch, least: int, again: Callable[[], float]) -> float | None:
    """Train a head again, with what single patients give shortened, until it rests on at least ``least`` of them.

    Args:
        watch: has seen the training; of other networks than a head nothing is done.
        again: trains from what came, and returns the loss.

    Returns:
        the last loss; ``None`` if it was not trained again.
    """
    loss = None
    for spare in SPARE:
        sums = watch.found.get("")
        if sums is None or len(watch.found) > 1 or not bool(rests_on_few(sums[:-1], least).any()):
            break
        shorter = factors(sums[:-1].cpu(), least, spare)
        if shorter is None:
            break
        watch.shorten(shorter)
        loss = again()
    return loss


def train_round(personal: Personalisation | None, training: SiteTraining) -> float:
    """Train the shared and the local tensors for one round; returns the mean loss per case."""
    return personal.train(training) if isinstance(personal, TrainsItsOwnWay) else training.run()

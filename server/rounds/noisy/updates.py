"""Rounds under ``privacy=site``: who is asked is drawn by chance, updates are shortened, and their sum has noise.

McMahan et al., "Learning differentially private recurrent language models" (ICLR 2018), algorithm 1 with equal weights:
each site is asked with the same probability q, by itself; a sum of updates, each of at most `clip` in length, gets
Gaussian noise and is divided by q times all sites, whoever was asked. In secure sums the sites have added the noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import SystemRandom

import numpy as np
import torch
from torch import Tensor

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import site_noise_of
from fedgraft.common.privacy.noise import with_noise
from fedgraft.server.exchange.roster import Roster

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class NoisyUpdates:
    """How a round's updates become private.

    Attributes:
        clip: the length of the longest update, all tensors together.
        noise: the deviation of the sum's noise, in such lengths; ``None`` if it is in the sum already.
        sampled: the probability with which each site is asked.
    """

    clip: float
    noise: float | None
    sampled: float

    def drawn(self, trainers: Roster) -> Roster:
        """The sites of a round, by the operating system's randomness: by the plan's seed everybody would know them."""
        chance = SystemRandom()
        whole = self.sampled == 1
        return {node: offer for node, offer in trainers.items() if whole or chance.random() < self.sampled}

    def mean(self, updates: Iterable[Tensors], received: Tensors, sites: int) -> dict[str, Tensor]:
        """The new tensors, from the sites' ones (of none, if nobody was drawn).

        Args:
            sites: all that could have been drawn.
        """
        assert self.noise is not None
        total = torch.zeros(sum(tensor.numel() for tensor in received.values()), dtype=torch.float64)
        for tensors in updates:
            moved = torch.cat([(tensors[name].double() - received[name].double()).reshape(-1) for name in received])
            total += moved * min(1.0, self.clip / max(float(moved.norm()), 1e-300))
        told = torch.from_numpy(np.asarray(with_noise(total.numpy(), self.clip, self.noise)))
        parts = (told / (self.sampled * sites)).split([tensor.numel() for tensor in received.values()])
        return {
            name: (tensor.double() + part.reshape(tensor.shape)).to(tensor.dtype)
            for (name, tensor), part in zip(received.items(), parts, strict=True)
        }


def noisy_updates_of(plan: Plan) -> NoisyUpdates | None:
    """``None`` without ``privacy=site``."""
    if not plan.privacy.by_site:
        return None
    noise = None if plan.aggregation.secure else site_noise_of(plan).noise
    return NoisyUpdates(plan.privacy.clip, noise, plan.strategy.fraction)

"""Adversarial alignment by gradient reversal (Ganin et al., JMLR 2016): features that do not show their site.

A site does not have the other sites' cases. Its discriminator therefore separates its own features from draws of the
Gaussian that has the shared moments. The discriminator never leaves the site.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from fedgraft.common.alignment import moments
from fedgraft.common.alignment.moments import Gaussian
from fedgraft.common.alignment.projection import SEED, Projected
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Penalty, Reference
from fedgraft.common.seeding import seed_generators

Weights = dict[str, Tensor]


class Adversarial:
    """The discriminator's cross-entropy; its gradient reaches the features with the sign reversed.

    Args:
        dimensions: the discriminator sees at most this many directions of the features (`Projected`).
        normalise: apply layer norm first (`Projected`).
        hidden: units of the discriminator's one hidden layer.
        discriminator_lr: the discriminator's learning rate (AdamW); above 0.
    """

    def __init__(self, dimensions: int, normalise: bool, hidden: int, discriminator_lr: float) -> None:
        for name, least, value in (("dimensions", 1, dimensions), ("hidden", 1, hidden)):
            if value < least:
                raise PlanError(f"alignment.{name}={value} must be {least} or more")
        if not discriminator_lr > 0:
            raise PlanError(f"alignment.discriminator_lr={discriminator_lr} must be above 0: it could learn nothing")
        self.dimensions = dimensions
        self.normalise = normalise
        self.hidden = hidden
        self.discriminator_lr = discriminator_lr

    def reference(self, width: int, groups: int) -> Reference:
        k = min(width, self.dimensions)
        with torch.random.fork_rng(devices=[]):
            seed_generators(SEED)
            discriminator = nn.Sequential(nn.Linear(k, self.hidden), nn.ReLU(), nn.Linear(self.hidden, groups))
        return Reference(groups, moments.shapes(k), Projected(width, self.dimensions, self.normalise), discriminator)

    def sums(self, reference: Reference, features: Tensor) -> dict[str, Tensor]:
        return moments.sums(reference.space(features))

    def penalty(self, reference: Reference) -> Penalty:
        """Each call of the penalty also trains the discriminator by one step, in place in ``reference``."""
        discriminator = reference.get_submodule("discriminator")
        known = {group: Gaussian.of_means(means) for group, means in reference.means().items()}
        roots = {group: gaussian.root() for group, gaussian in known.items()}
        # these share memory with the module's parameters, which the site's own optimiser does not train
        weights = {name: p.detach().requires_grad_() for name, p in discriminator.named_parameters()}
        optimizer = torch.optim.AdamW(list(weights.values()), self.discriminator_lr)

        def against(features: Tensor, group: int) -> Tensor:
            own = reference.space(features)
            draws = known[group].mean + torch.randn(own.shape).to(own.device) @ roots[group].T
            optimizer.zero_grad(set_to_none=True)
            discrimination_loss(discriminator, weights, own.detach(), draws, group).backward()
            optimizer.step()
            fixed = {name: weight.detach() for name, weight in weights.items()}
            return discrimination_loss(discriminator, fixed, reverse_gradient(own), draws, group)

        return against


def discrimination_loss(discriminator: nn.Module, weights: Weights, own: Tensor, draws: Tensor, group: int) -> Tensor:
    """Mean cross-entropy, in nats, of separating a site's points ``(B, k)`` (class 0) from draws ``(B, k)`` (class 1).

    ``group`` selects the discriminator's output.
    """
    points = torch.cat([own, draws])
    logits = functional_call(discriminator, weights, (points,))[:, group]
    truth = torch.cat([torch.zeros(len(own)), torch.ones(len(draws))]).to(logits.device)
    return functional.binary_cross_entropy_with_logits(logits, truth)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def reverse_gradient(values: Tensor) -> Tensor:
    """The identity; in the backward pass the gradient changes its sign (Ganin et al. 2016, equations 16 and 17)."""
    reversed_: Tensor = _Reversed.apply(values)
    return reversed_

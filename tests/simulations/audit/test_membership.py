"""The membership attack finds who trained an overfitted head, and hardly anybody under epsilon 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.audit.heads import Heads
from fedgraft.simulations.audit.likelihood import Attacked, attacked_each, ratios_left_out
from fedgraft.simulations.audit.membership import trained
from fedgraft.simulations.audit.shadows.exact import fitted
from fedgraft.simulations.audit.shadows.private import noisy
from fedgraft.simulations.audit.shadows.recipe import Recipe, noisy_steps, recipe_of

from .pools import drawn_pool

POOL = drawn_pool(1600, 600, sites=5)
SHADOWS = 64


def attacked(recipe: Recipe) -> Attacked:
    keep, heads = trained(POOL, recipe, SHADOWS, torch.Generator().manual_seed(0))
    known = torch.cat([some.confidences(POOL.inputs, POOL.labels) for some in heads])
    return attacked_each(ratios_left_out(known, keep), keep)


def test_an_overfitted_head_tells_who_trained_it() -> None:
    """Nearly as many features as a head has cases, and hardly a ridge: it knows them by heart."""

    def train(keep: torch.Tensor, generator: torch.Generator) -> Heads:
        return fitted(POOL.inputs, POOL.labels, keep, nn.functional.cross_entropy, 1e-4)

    found = attacked(Recipe(train, "overfitted"))
    assert found.auroc_interval[0] > 0.64 and found.found > 0.08


def test_under_epsilon_3_hardly_anybody_is_found(compose_plan: Callable[..., Plan]) -> None:
    """The same cases, at five hospitals with noise of their own: the interval ends below 0.52."""
    found = attacked(recipe_of(compose_plan("privacy=record"), POOL, 4))
    assert found.auroc_interval[1] <= 0.52
    assert found.auroc_interval[1] - found.auroc_interval[0] < 0.02


def test_without_noise_the_same_steps_tell(compose_plan: Callable[..., Plan]) -> None:
    """So it is the noise that hides them, not the few steps or the clipping."""
    how = replace(noisy_steps(compose_plan("privacy=record"), 5), noise=0.0)

    def train(keep: torch.Tensor, generator: torch.Generator) -> Heads:
        return noisy(POOL.inputs, POOL.labels, POOL.patient, keep, nn.functional.cross_entropy, how, generator)

    assert attacked(Recipe(train, "without noise")).auroc_interval[0] > 0.55

"""How a plan's head is trained, for shadows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt

import torch
from torch import Tensor

from fedgraft.client.training.schedules import learning_rate
from fedgraft.common import tasks
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.interfaces.strategy import is_mean
from fedgraft.common.losses.suitability import built
from fedgraft.common.plan.checks.transfer import begins
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.secure.neighbours import default_share, threshold_of
from fedgraft.server.exact.steps import rate_of
from fedgraft.simulations.audit.cases import Pool
from fedgraft.simulations.audit.finding import NotTriedError
from fedgraft.simulations.audit.heads import Heads, Loss
from fedgraft.simulations.audit.shadows.averaged import averaged
from fedgraft.simulations.audit.shadows.exact import fitted
from fedgraft.simulations.audit.shadows.private import Noisy, noisy

Train = Callable[[Tensor, torch.Generator], Heads]
"""Which cases train each head ``(B, N)`` bool, and a generator -> the heads."""


@dataclass(frozen=True)
class Recipe:
    """How heads like the run's are trained.

    Attributes:
        said: in words.
        inexact: in what the shadows are not as the run's; empty if in nothing that matters.
        at_once: how many at most, so that memory suffices.
    """

    train: Train
    said: str
    inexact: tuple[str, ...] = ()
    at_once: int = 128


def recipe_of(plan: Plan, pool: Pool, rounds: int) -> Recipe:
    """The recipe of a plan on a pool of cases.

    Args:
        rounds: of the final model: the last one, or the best.

    Raises:
        NotTriedError: the graft was not trained.
    """
    if rounds == 0:
        raise NotTriedError("the released head was not trained (its round is 0): it is made of sums over classes alone")
    loss, unlike = _loss(plan, pool), _unlike(plan)
    if plan.privacy.by_patient:
        how = noisy_steps(plan, len(pool.sites))
        train = partial(_private, pool, loss, how)
        return Recipe(train, f"{plan.privacy.steps} noisy steps over all sites' cases, as the plan's", unlike)
    path = path_of(plan, plan.engine.trusted)
    if path is not None:
        ridge = path.ridges(plan.rounds)[min(rounds, plan.rounds) - 1]
        train = partial(_exact, pool, loss, ridge)
        return Recipe(train, f"the optimum of all sites' cases at ridge {ridge:.3g}", unlike, 1024)
    mu = float(plan.strategy.options.get("proximal_mu", 0.0))  # type: ignore[arg-type]
    mean = ours(plan.strategy, "strategy")
    other = () if isinstance(mean, type) and is_mean(mean) else ("sites' updates are averaged, whatever the strategy",)
    start = Heads.zeros(1, len(plan.data.classes), pool.inputs.shape[1])
    rates = [learning_rate(plan.train, number, plan.rounds) for number in range(1, rounds + 1)]
    train = partial(_averaged, pool, loss, plan, rates, mu, start)
    return Recipe(train, f"{rounds} rounds of averaging over the sites", (*unlike, *other))


def noisy_steps(plan: Plan, sites: int) -> Noisy:
    """The steps of ``privacy=record`` over so many sites (`fedgraft.server.rounds.fitted.private_round`)."""
    budget, must_stay = budget_of(plan), 1
    if budget.shared:
        share = plan.aggregation.threshold
        must_stay = threshold_of(sites, default_share(sites) if share is None else share)
    noise = budget.gradients * sqrt(sites / must_stay)
    return Noisy(plan.privacy, noise, lambda patients: rate_of(plan.privacy, noise, patients, plan.data.outputs))


def _private(pool: Pool, loss: Loss, how: Noisy, keep: Tensor, generator: torch.Generator) -> Heads:
    return noisy(pool.inputs, pool.labels, pool.patient, keep, loss, how, generator)


def _exact(pool: Pool, loss: Loss, ridge: float, keep: Tensor, generator: torch.Generator) -> Heads:
    return fitted(pool.inputs, pool.labels, keep, loss, ridge)


def _averaged(
    pool: Pool,
    loss: Loss,
    plan: Plan,
    rates: Sequence[float],
    mu: float,
    start: Heads,
    keep: Tensor,
    generator: torch.Generator,
) -> Heads:
    return averaged(pool, keep, loss, plan.train, rates, mu, start, generator)


def _loss(plan: Plan, pool: Pool) -> Loss:
    """The plan's loss by the class counts of all training cases."""
    counts = tasks.of(plan.data).count(pool.labels[pool.member])
    weighed, prior = (None if asked == "none" else counts for asked in (plan.loss.weights, plan.loss.prior))
    loss: Loss = built(plan, weighed, prior, plan.engine.trusted)
    return loss


def _unlike(plan: Plan) -> tuple[str, ...]:
    """What of the plan the shadows leave out."""
    found = ["the noise that hides hospitals is left out"] if plan.privacy.by_site else []
    if "local" in (plan.loss.weights, plan.loss.prior):
        found.append("class weights are by all sites' counts")
    sections = ("initial", "alignment", "sampling", "compression")
    found += [f"{name} is left out" for name in sections if getattr(plan, name).target is not None]
    if plan.augment.mixup or plan.augment.cutmix:
        found.append("mixing of cases is left out")
    if begins(plan):
        found.append("the graft from which the run began (start_from) is left out")
    if plan.personal.target is not None:
        found.append("what hospitals keep for themselves is left out, which the attack by confidence looks at")
    return tuple(found)

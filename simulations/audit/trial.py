"""What a plan's noise will cost: the plan's own steps on features of nobody, as many as its cases, with noise and
without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.losses.suitability import built
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps, meets_once
from fedgraft.simulations.audit.heads import Loss
from fedgraft.simulations.audit.kept_like import kept_like
from fedgraft.simulations.audit.likelihood import auroc
from fedgraft.simulations.audit.shadows.exact import fitted
from fedgraft.simulations.audit.shadows.private import noisy
from fedgraft.simulations.audit.shadows.recipe import noisy_steps

DRAWS, _TESTED = 5, 4000
_RIDGE = 0.1  # of the fit without privacy, as in experiment=pneumonia_exact
_MOST_NUMBERS = 40_000_000
"""Of features that are drawn: 160 MB."""


@dataclass(frozen=True)
class Trial:
    """Test AUROC on phantom features, means over draws of cases and noise, and the deviation of one draw.

    Attributes:
        without: of the optimum that ``strategy=exact`` finds without privacy.
        noisy: with the plan's.
        deviation: of `noisy` over draws.
    """

    cases: int
    sites: int
    width: int
    without: float
    noisy: float
    deviation: float

    @property
    def sentence(self) -> str:
        return (
            f"on phantom features ({self.cases:,} training cases at {self.sites} hospitals, {self.width:,} numbers "
            f"a case) this promise costs {self.without - self.noisy:.3f} of test AUROC: {self.noisy:.3f} with noise "
            f"(give or take {2 * self.deviation:.3f} from run to run), {self.without:.3f} without. A first idea: on "
            "PneumoniaMNIST's official films, which differ from the hospitals', it cost 0.009 to 0.017 more"
        )


def trial(plan: Plan, cases: int, sites: int, width: int, progress: Callable[[int], None] = lambda done: None) -> Trial:
    """Take the plan's steps on drawn features `DRAWS` times.

    Args:
        cases: training cases of all sites, one a patient.
        width: of the head's inputs.
        progress: is told how many draws are done.

    Raises:
        PlanError: the plan promises nothing.
    """
    if not plan.privacy.by_patient:
        raise PlanError(
            f"--trial has no effect with privacy={plan.privacy.unit}: it tries the noise that hides patients; add "
            "privacy=record"
        )
    if by_steps(plan) or meets_once(plan):
        raise PlanError("--trial tries the noisy gradients of strategy=exact only; simulate with data=phantom")
    how = noisy_steps(plan, sites)
    drawn = min(cases, max(1, _MOST_NUMBERS // width))
    # of fewer cases the same, in parts of a case
    scaled = replace(how, noise=how.noise * drawn / cases, rate=lambda _: how.rate(cases))
    found = []
    for draw in range(DRAWS):
        generator = torch.Generator().manual_seed(draw)
        inputs, labels, apart = kept_like(drawn, width, len(plan.data.classes), generator)
        tested, truth, _ = kept_like(_TESTED, width, len(plan.data.classes), generator, apart)
        loss, everyone = _loss(plan, labels), torch.ones(1, drawn, dtype=torch.bool)
        plain = fitted(inputs, labels, everyone, loss, _RIDGE)
        private = noisy(inputs, labels, torch.arange(drawn), everyone, loss, scaled, generator)
        found.append([_auroc(head.outputs(tested)[0], truth) for head in (plain, private)])
        progress(draw + 1)
    means, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    return Trial(cases, sites, width, float(means[0]), float(means[1]), float(spread[1]))


def _auroc(outputs: Tensor, labels: Tensor) -> float:
    """The mean over classes of telling each from the others."""
    each = []
    for label in range(outputs.shape[1]):
        others = torch.cat([outputs[:, :label], outputs[:, label + 1 :]], dim=1)
        odds = outputs[:, label] - others.logsumexp(dim=1)
        each.append(auroc(odds.double().numpy(), (labels == label).numpy()))
    return float(np.mean(each))


def _loss(plan: Plan, labels: Tensor) -> Loss:
    counts = tasks.of(plan.data).count(labels)
    weighed, prior = (None if asked == "none" else counts for asked in (plan.loss.weights, plan.loss.prior))
    loss: Loss = built(plan, weighed, prior, plan.engine.trusted)
    return loss

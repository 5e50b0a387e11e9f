"""What one update of a site tells of a case's features: of a linear head, in closed form.

The gradient of a case is the outer product of its residual and its inputs, so that a class's row divided by that
class's bias is the inputs themselves (Phong et al., IEEE TIFS 13, 2018, example 2); of a batch it is a mean, weighted
by residuals. Several local steps blur it, since residuals change.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.sums import noisy_gradient
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.audit.canaries import Mechanism
from fedgraft.simulations.audit.cases import AuditedRun, Pool
from fedgraft.simulations.audit.finding import Finding, NotTriedError, Table, not_tried
from fedgraft.simulations.audit.heads import Heads, residuals

NAME, TITLE = "reconstruction", "Can a patient's features be read from one update?"
_ASKED = (
    "The coordinator, or whoever listens there, takes one update of one hospital, divides its rows by its biases, and "
    "looks for the patient whose features it then has."
)
BATCHES, STEPS, TRIALS = (1, 2, 4, 8, 32), (1, 5, 20), 40
_RATE = 0.1
CLOSE = 0.9


@dataclass(frozen=True)
class Read:
    """How well features were read, over trials: the mean correlation with the nearest case of the batch, and the share
    of trials in which that case is nearest of all cases of all sites."""

    correlation: float
    named: float

    @property
    def text(self) -> str:
        return f"{self.correlation:.2f}, {100 * self.named:.0f} %"


def reconstruction(audited: AuditedRun, noise: Mechanism | None, seed: int = 0) -> Finding:
    """Read features from updates of batches of several sizes, after several local steps, and with the plan's noise.

    Args:
        noise: how the plan tells gradients under ``privacy=record``; ``None`` without.
    """
    try:
        pool = audited.pool
    except NotTriedError as why:
        return not_tried(NAME, TITLE, _ASKED, str(why))
    trained = pool.of(pool.member)
    grid = {(size, steps): read(trained, size, steps, seed) for size in BATCHES for steps in STEPS}
    rows = [(f"batch of {size}", *(grid[size, steps].text for steps in STEPS)) for size in BATCHES]
    headings = ("one update of", *(f"{steps} local step{'s' * (steps > 1)}" for steps in STEPS))
    one = grid[1, 1]
    said = [
        f"From one step on one patient: correlation {one.correlation:.2f} with that patient's features, who is then "
        f"the nearest of {len(trained):,} in {100 * one.named:.0f} of 100 trials. Each cell: correlation, and how "
        "often the nearest patient is one of the batch.",
        _of_the_plan(audited.plan, trained, grid),
    ]
    figures = {f"{size}x{steps}": vars(found) for (size, steps), found in grid.items()}
    if noise is not None:
        hidden = read(trained, 1, 1, seed, noise)
        figures["1x1 with the plan's noise"] = vars(hidden)
        rows.append(("one patient, with the plan's noise", hidden.text, "–", "–"))
        said.append(
            f"With the plan's noise, even of a hospital with one patient alone: correlation {hidden.correlation:.2f}, "
            f"and the patient is named in {100 * hidden.named:.0f} of 100 trials."
        )
    return Finding(NAME, TITLE, _ASKED, tuple(said), Table(headings, tuple(rows)), figures)


def read(pool: Pool, size: int, steps: int, seed: int, noise: Mechanism | None = None) -> Read:
    """Read features from an update of ``size`` cases drawn anew in each of `TRIALS` trials.

    Args:
        steps: local ones over the same batch, at a rate of `_RATE` in the inputs' own length.
        noise: of the sum, with which it is told, and by which its cases are clipped.
    """
    generator, found = torch.Generator().manual_seed(seed), []
    standard = Standard(pool.inputs)
    for _ in range(TRIALS):
        batch = torch.randperm(len(pool), generator=generator)[:size]
        update = _update(pool, batch, steps, noise)
        guess = standard.of(_features(update)[None])[0]
        likeness = standard.rows @ guess
        found.append((float(likeness[batch].max()), bool((batch == likeness.argmax()).any())))
    means = torch.tensor(found).double().mean(dim=0)
    return Read(float(means[0]), float(means[1]))


class Standard:
    """Features less their mean, in their deviations, of length 1, so that products are correlations."""

    def __init__(self, inputs: Tensor) -> None:
        self._mean, self._deviation = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=1e-6)
        self.rows = self.of(inputs)

    def of(self, inputs: Tensor) -> Tensor:
        return torch.nn.functional.normalize((inputs - self._mean) / self._deviation, dim=1)


def _update(pool: Pool, batch: Tensor, steps: int, noise: Mechanism | None) -> Heads:
    """The sum of the gradients of all steps, of a head that begins at zero."""
    some, classes = pool.of(batch), int(pool.labels.max()) + 1
    heads = Heads.zeros(1, classes, pool.inputs.shape[1])
    rate, total = _RATE / float(some.inputs.square().sum(dim=1).mean()), heads
    for _ in range(steps):
        slopes = residuals(heads.outputs(some.inputs), some.labels, torch.nn.functional.cross_entropy)
        weight, bias = (slopes[0].T @ some.inputs)[None], slopes.sum(dim=1)
        if noise is not None:
            patients = Patients([str(place) for place in range(len(some))])
            told = noisy_gradient(slopes[0].double(), some.inputs, patients, noise.clip, noise.noise, noise.parties)
            weight, bias = told[0].float()[None], told[1].float()[None]
        total = Heads(total.weight + weight, total.bias + bias)
        heads = Heads(heads.weight - rate * weight, heads.bias - rate * bias)
    return total


def _features(update: Heads) -> Tensor:
    """The inputs that a class's row and bias tell of, ``(F,)``, of the class whose bias tells most."""
    row = int(update.bias[0].abs().argmax())
    bias = update.bias[0, row]
    return update.weight[0, row] / (bias if bias.abs() > 1e-12 else torch.tensor(1e-12))


def _of_the_plan(plan: Plan, pool: Pool, grid: dict[tuple[int, int], Read]) -> str:
    """What of the table is nearest to the plan."""
    counts = pool.site.bincount(minlength=len(pool.sites))
    fewest = int(counts[counts > 0].min())
    if path_of(plan, plan.engine.trusted) is not None:
        return f"In this plan a hospital tells gradients over all of its cases, {fewest:,} at least."
    steps = plan.train.epochs * max(1, fewest // plan.train.batch_size)
    return (
        f"In this plan an update is of {fewest:,} cases at least, in {steps:,} steps or more of batches of "
        f"{plan.train.batch_size}."
    )

"""What a run's noise is worth, by one run with canaries (Steinke, Nasr & Jagielski, NeurIPS 2023).

Canaries are patients that the attacker made up; a fair coin decides of each whether it is among a site's patients. The
attacker sees all that the site tells of training, and guesses for the third of the highest and of the lowest scores.
What is told is made by the site's own code, so that a mistake in it would show: noisy gradients
(`fedgraft.client.privacy.sums`), or heads after noisy steps (`fedgraft.client.privacy.linear_steps`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy import sums
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.linear_steps import train_linear
from fedgraft.client.privacy.steps import NoisySteps
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.schedules import learning_rate
from fedgraft.common.heads.heads import Linear
from fedgraft.common.heads.linear_shape import WEIGHT
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import TrainSection
from fedgraft.common.privacy.audit import least_epsilon
from fedgraft.common.privacy.budget import budget_of, by_steps, meets_once
from fedgraft.common.secure.neighbours import default_share, threshold_of
from fedgraft.simulations.audit.finding import Finding, Table, not_tried

NAME, TITLE = "canaries", "How much the noise hides, measured"
_ASKED = (
    "Somebody makes up patients and smuggles some of them into a hospital, by coins that the hospital does not know. "
    "They see everything that it tells in the run, and guess which are there. How often they are right is at most "
    "what the promise allows; if they are right more often, the promise is broken (Steinke et al. 2023)."
)
FEWEST, MOST, CONFIDENCE = 100, 1000, 0.999
_OTHERS, _LONG = 100, 5.0


@dataclass(frozen=True)
class Mechanism:
    """How a site's gradients are told.

    Attributes:
        width: of the head's inputs.
        steps: how many gradients.
        clip: the most that a patient gives to one.
        noise: its deviation in units of ``clip``; 0 for none.
        parties: how many sites, at least, share it in a secure sum.
    """

    width: int
    steps: int
    clip: float
    noise: float
    parties: int = 1

    def scores(self, there: Tensor) -> Tensor:
        """How much of each canary's gradient is in what was told, ``(canaries,)``.

        Args:
            there: which canaries are among the site's patients, bool.
        """
        canaries, inputs, patients = _patients(there, self.width)
        slopes, found = torch.tensor([[-0.5, 0.5]]).double(), torch.zeros(len(there))
        for _ in range(self.steps):
            told = _told(slopes.repeat(len(inputs), 1), inputs, patients, self)
            for _ in range(self.parties - 1):  # other sites, whose patients the attacker knows and subtracts
                told = told + _told(0 * slopes, torch.zeros(1, self.width), Patients(["0"]), self)
            found += canaries @ (told[1] - told[0]).float()
        return found


@dataclass(frozen=True)
class Shown:
    """What the guesses show: ``epsilon`` is above this with confidence `CONFIDENCE`; ``most`` = if all were right."""

    epsilon: float
    most: float
    guesses: int
    right: int


@dataclass(frozen=True)
class Steps:
    """How a site tells a linear head after its own noisy steps (``privacy=record_trained``).

    Attributes:
        width: of the head's inputs.
        train: optimizer, and rate by round.
        rounds: in each of which it takes ``steps`` and tells the head.
        clip: the most that a patient gives to a step.
        noise: its deviation in units of ``clip``; 0 for none.
        sampled: the probability with which a patient is in a step.
    """

    width: int
    train: TrainSection
    rounds: int
    steps: int
    clip: float
    noise: float
    sampled: float = 1.0

    def scores(self, there: Tensor) -> Tensor:
        """As `Mechanism.scores`: of each canary's gradient in the ways that the head went."""
        canaries, inputs, patients = _patients(there, self.width)
        labels = torch.ones(len(inputs), dtype=torch.int64)
        head, found = Linear(self.width, 2, normalise=False), torch.zeros(len(there))
        weights = {name: one.detach() for name, one in head.named_parameters()}
        how = NoisySteps(self.steps, patients, patients.count, self.clip, self.noise, self.sampled)
        for number in range(1, self.rounds + 1):
            lr = learning_rate(self.train, number, self.rounds)
            task = LocalTraining(Examples(inputs, labels), CrossEntropy(None), self.train, lr, torch.Generator())
            (told,) = train_linear(head, weights, [task], [how], torch.device("cpu"))
            if not isinstance(told, dict):
                raise told
            way = weights[WEIGHT] - told[WEIGHT]
            found, weights = found + canaries @ (way[0] - way[1]), told
        return found


def audited(how: Mechanism | Steps, delta: float, canaries: int, seed: int = 2) -> Shown:
    """Guess for canaries of a site that tells its gradients so."""
    there = torch.rand(canaries, generator=torch.Generator().manual_seed(seed)) < 0.5
    order = how.scores(there).argsort(descending=True)
    third = canaries // 3
    right = int(there[order[:third]].sum()) + int((~there[order[-third:]]).sum())
    bounds = [least_epsilon(canaries, 2 * third, some, delta, CONFIDENCE) for some in (right, 2 * third)]
    return Shown(bounds[0], bounds[1], 2 * third, right)


def _patients(there: Tensor, width: int) -> tuple[Tensor, Tensor, Patients]:
    """The canaries, the inputs of a site that has those who are there among others, and its patients.

    Canaries are so long that each is clipped to the bound, and have nothing in common with each other, as far as the
    width allows.
    """
    generator = torch.Generator().manual_seed(1)
    canaries = _orthogonal(len(there), width, generator)
    inputs = torch.cat([canaries[there], torch.randn(_OTHERS, width, generator=generator)])
    return canaries, inputs, Patients([str(place) for place in range(len(inputs))])


def _told(slopes: Tensor, inputs: Tensor, patients: Patients, how: Mechanism) -> Tensor:
    weight, _ = sums.noisy_gradient(slopes, inputs, patients, how.clip, how.noise, how.parties)
    return weight


def _orthogonal(count: int, width: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(width, count, generator=generator)
    basis = torch.linalg.qr(drawn).Q.T if count <= width else torch.nn.functional.normalize(drawn.T)
    scaled: Tensor = _LONG * width**0.5 * basis
    return scaled


def mechanism_of(plan: Plan, width: int, sites: int) -> Mechanism:
    """How a plan with ``privacy=record`` tells gradients."""
    budget, parties = budget_of(plan), 1
    if budget.shared:
        share = plan.aggregation.threshold
        parties = threshold_of(sites, default_share(sites) if share is None else share)
    return Mechanism(width, budget.steps, plan.privacy.clip, budget.gradients, parties)


def steps_of(plan: Plan, width: int) -> Steps:
    """How a plan with ``privacy=record_trained`` trains a linear head at its sites."""
    budget, section = budget_of(plan), plan.privacy
    steps = budget.steps // plan.rounds
    return Steps(width, plan.train, plan.rounds, steps, section.clip, budget.gradients, budget.sampled)


def canaries(plan: Plan, width: int, sites: int, head_alone: bool) -> Finding:
    """Audit the plan's noise.

    Args:
        width: of the head's inputs.
        sites: that train.
        head_alone: whether one linear layer on kept features is all that is trained.
    """
    if not plan.privacy.by_patient:
        why = (
            f"the plan has privacy={plan.privacy.unit}: no patient is promised anything, and without noise for "
            "patients such an attacker is right about every canary. Epsilon has no bound for them"
        )
        return not_tried(NAME, TITLE, _ASKED, why)
    if meets_once(plan) or (by_steps(plan) and not head_alone):
        why = (
            "made-up patients are known for the gradients of strategy=exact, and for noisy steps of a linear head on "
            "kept features (privacy=record_trained); this run's sites told sums once, or trained more than that"
        )
        return not_tried(NAME, TITLE, _ASKED, why)
    section, how = plan.privacy, steps_of(plan, width) if by_steps(plan) else mechanism_of(plan, width, sites)
    count = min(MOST, max(FEWEST, width // 2))
    shown = audited(how, section.delta, count)
    holds = shown.epsilon <= section.epsilon
    verdict = "as promised" if holds else "THE PROMISE IS BROKEN: more is told than was accounted for"
    said = (
        f"{count} made-up patients, noise of {how.noise:.3g} times a patient's most, in each of {_said(how)}.",
        f"Of {shown.guesses} guesses {shown.right} were right (half: guessing). With 99.9 % confidence epsilon is "
        f"above {shown.epsilon:.2f}; accounted for are {section.epsilon:g} (delta {section.delta:g}): {verdict}.",
        f"Had all guesses been right, {shown.most:.2f} would have been shown. The bound is of the gradients alone; "
        "class counts and moments have shares of the promise of their own. A bound far below the promise proves no "
        "less risk: it is what this attack could show.",
    )
    rows = (
        ("shown by the attack, at least", f"{shown.epsilon:.2f}"),
        ("accounted for, at most", f"{section.epsilon:g}"),
    )
    figures = {**vars(shown), "canaries": count, "accounted": section.epsilon, "delta": section.delta, "holds": holds}
    return Finding(NAME, TITLE, _ASKED, said, Table(("epsilon", ""), rows), figures)


def _said(how: Mechanism | Steps) -> str:
    if isinstance(how, Steps):
        drawn = "" if how.sampled == 1 else f", with {how.sampled:.3g} of the patients in each"
        return f"{how.rounds * how.steps} steps of one hospital{drawn}; it tells the head after every {how.steps}"
    return f"{how.steps} gradients" + (f", shared by {how.parties} sites" if how.parties > 1 else "")

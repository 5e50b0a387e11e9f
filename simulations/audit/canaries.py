"""What a run's noise is worth, by one run with canaries (Steinke, Nasr & Jagielski, NeurIPS 2023).

Canaries are patients that the attacker made up; a fair coin decides of each whether it is among a site's patients. The
attacker sees each noisy gradient, and guesses for the third of the highest and of the lowest scores. The sums are the
site's own code (`fedgraft.client.privacy.sums`), so that a mistake in it would show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.privacy import sums
from fedgraft.client.privacy.clipping import Patients
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.audit import least_epsilon
from fedgraft.common.privacy.budget import budget_of
from fedgraft.common.secure.neighbours import default_share, threshold_of
from fedgraft.simulations.audit.finding import Finding, NotTriedError, Table, not_tried, require_known

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


@dataclass(frozen=True)
class Shown:
    """What the guesses show: ``epsilon`` is above this with confidence `CONFIDENCE`; ``most`` = if all were right."""

    epsilon: float
    most: float
    guesses: int
    right: int


def audited(how: Mechanism, delta: float, canaries: int, seed: int = 2) -> Shown:
    """Guess for canaries of a site that tells its gradients so."""
    there = torch.rand(canaries, generator=torch.Generator().manual_seed(seed)) < 0.5
    order = scores(how, there).argsort(descending=True)
    third = canaries // 3
    right = int(there[order[:third]].sum()) + int((~there[order[-third:]]).sum())
    bounds = [least_epsilon(canaries, 2 * third, some, delta, CONFIDENCE) for some in (right, 2 * third)]
    return Shown(bounds[0], bounds[1], 2 * third, right)


def scores(how: Mechanism, there: Tensor) -> Tensor:
    """How much of each canary's gradient is in what was told, ``(canaries,)``.

    Canaries are so long that each is clipped to the bound, and have nothing in common with each other, as far as the
    width allows.
    """
    generator = torch.Generator().manual_seed(1)
    canaries = _orthogonal(len(there), how.width, generator)
    others = torch.randn(_OTHERS, how.width, generator=generator)
    inputs = torch.cat([canaries[there], others])
    patients, found = Patients([str(place) for place in range(len(inputs))]), torch.zeros(len(there))
    slopes = torch.tensor([[-0.5, 0.5]]).double()
    for _ in range(how.steps):
        told = _told(slopes.repeat(len(inputs), 1), inputs, patients, how)
        for _ in range(how.parties - 1):  # other sites, whose patients the attacker knows and subtracts
            told = told + _told(0 * slopes, torch.zeros(1, how.width), Patients(["0"]), how)
        found += canaries @ (told[1] - told[0]).float()
    return found


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


def canaries(plan: Plan, width: int, sites: int) -> Finding:
    """Audit the plan's noise.

    Args:
        width: of the head's inputs.
        sites: that train.
    """
    if not plan.privacy.by_patient:
        why = (
            f"the plan has privacy={plan.privacy.unit}: no patient is promised anything, and without noise for "
            "patients such an attacker is right about every canary. Epsilon has no bound for them"
        )
        return not_tried(NAME, TITLE, _ASKED, why)
    try:
        require_known(plan)
    except NotTriedError as unknown:
        return not_tried(NAME, TITLE, _ASKED, str(unknown))
    how, section = mechanism_of(plan, width, sites), plan.privacy
    count = min(MOST, max(FEWEST, width // 2))
    shown = audited(how, section.delta, count)
    holds = shown.epsilon <= section.epsilon
    verdict = "as promised" if holds else "THE PROMISE IS BROKEN: more is told than was accounted for"
    noise = f"noise of {how.noise:.3g} times a patient's most, in each of {how.steps} gradients"
    said = (
        f"{count} made-up patients, {noise}" + (f", shared by {how.parties} sites." if how.parties > 1 else "."),
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

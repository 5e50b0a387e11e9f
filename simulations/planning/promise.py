"""What a plan with ``privacy=record`` promises and what then leaves a site, in words."""

from __future__ import annotations

from fedgraft.common import tasks
from fedgraft.common.models.frozen_part import INPUTS
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import pixel_dangers, plan_dangers
from fedgraft.common.privacy.budget import Budget, budget_of, by_steps, meets_once, site_noise_of


def promised_leaving(plan: Plan) -> list[str]:
    """What leaves a site."""
    if plan.privacy.by_site:
        return _of_a_site(plan)
    section, budget = plan.privacy, budget_of(plan)
    by = "its part of the noise of the secure sum" if budget.shared else "noise of its own"
    counted = (
        "training patients by class" if tasks.of(plan.data).one_class_per_case else "the number of training patients"
    )
    found = [f"{counted}, once, with noise of deviation {budget.counts:.3g}"]
    if budget.moments is not None:
        found.append(f"mean and squares of each feature, once, with {by} ({budget.moments:.3g} times a patient's most)")
    if meets_once(plan):
        sums = "sums of features by class and of their products, once, from which the head is solved"
        return [*found, f"{sums}, with {by} ({budget.gradients:.3g} times what a patient gives at most)"]
    if by_steps(plan):
        return [*found, _of_steps(plan, budget)]
    gradients = f"{section.steps} gradients to which a patient gives {section.clip:g} at most"
    found.append(f"{gradients}, with {by} ({budget.gradients:.3g} times that)")
    if budget.evaluation is not None:
        found.append(f"validation and test patients by class and score, once, with {by} ({budget.evaluation:.3g} each)")
    return found


def _of_steps(plan: Plan, budget: Budget) -> str:
    section = plan.privacy
    who = (
        "all patients" if section.sampled == 1 else f"patients who are drawn with a probability of {section.sampled:g}"
    )
    return (
        f"what it trained in each of {plan.rounds} rounds, in {section.steps} noisy steps in all, each over {who}, of "
        f"whom one gives {section.clip:g} at most, with noise of its own ({budget.gradients:.3g} times that); "
        "train.epochs and train.batch_size do nothing"
    )


def _of_a_site(plan: Plan) -> list[str]:
    noise, secure = site_noise_of(plan), plan.aggregation.secure
    by = "its part of the noise of the secure sum" if secure else "noise at the coordinator, on their sum"
    often = "" if noise.sampled == 1 else f", by each site with a probability of {noise.sampled:g}"
    return [
        f"{noise.times} updates{often}, each of at most {plan.privacy.clip:g} in length, with {by} "
        f"({noise.noise:.3g} times that)"
    ]


def promise_sentences(plan: Plan) -> list[str]:
    """What is promised; nothing without privacy."""
    if not plan.privacy.on:
        return []
    section = plan.privacy
    if section.by_site:
        seen = "who asks for updates too" if plan.aggregation.secure else "those who see the model, not the coordinator"
        return [
            f"promised to each hospital: epsilon {section.epsilon:g} with delta {section.delta:g}, for all rounds, "
            f"against {seen}; with few hospitals the noise is larger than what they learn (docs/privacy.md)"
        ]
    return [
        f"promised to each patient: epsilon {section.epsilon:g} with delta {section.delta:g}, for all that a run makes "
        "a site tell; noise is drawn by each site's operating system, so that no two runs are equal"
    ]


def red_flags(plan: Plan, model: Model) -> list[str]:
    """What makes the plan dangerous for a single patient."""
    pixels = pixel_dangers(plan, model.constant.what == INPUTS)
    return [str(danger) for danger in (*plan_dangers(plan), *pixels)]

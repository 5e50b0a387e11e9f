"""What a plan with ``privacy=record`` promises and what then leaves a site, in words."""

from __future__ import annotations

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of


def promised_leaving(plan: Plan) -> list[str]:
    """What leaves a site."""
    section, budget = plan.privacy, budget_of(plan)
    by = "its part of the noise of the secure sum" if budget.shared else "noise of its own"
    found = [f"training patients by class, once, with noise of deviation {budget.counts:.3g}"]
    if budget.moments is not None:
        found.append(f"mean and squares of each feature, once, with {by} ({budget.moments:.3g} times a patient's most)")
    gradients = f"{section.steps} gradients to which a patient gives {section.clip:g} at most"
    found.append(f"{gradients}, with {by} ({budget.gradients:.3g} times that)")
    if budget.evaluation is not None:
        found.append(f"validation and test patients by class and score, once, with {by} ({budget.evaluation:.3g} each)")
    return found


def promise_sentences(plan: Plan) -> list[str]:
    """What is promised; nothing without privacy."""
    if not plan.privacy.on:
        return []
    section = plan.privacy
    return [
        f"promised to each patient: epsilon {section.epsilon:g} with delta {section.delta:g}, for all that a run makes "
        "a site tell; noise is drawn by each site's operating system, so that no two runs are equal"
    ]

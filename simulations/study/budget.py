"""How often a study's federation shows its training cases, compared with one site that trains by itself."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import Personalisation
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan


def budget_factor(plan: Plan) -> float:
    """How many times ``rounds x train.epochs`` a site that trains in every round is shown each of its cases: those
    epochs, and those of what is the site's own (FedRep's head, Ditto's copy, fine-tuning)."""
    personal: Personalisation | None = parts.chosen(plan.personal, "personal", plan.engine.trusted)
    return 1.0 if personal is None else personal.budget(plan.rounds, plan.train.epochs)


def budget_sentences(plan: Plan) -> list[str]:
    """What makes the budgets of federation and baselines differ; empty if nothing does."""
    said, factor, fraction = [], budget_factor(plan), plan.strategy.fraction
    if factor != 1:
        said.append(
            f"Not the same budget: with personal._target_={plan.personal.target} the federation shows each training "
            f"case {factor:.3g} times as often as local and pooled do."
        )
    if fraction < 1:
        said.append(
            f"Not the same budget: with strategy.fraction={fraction:g} the federation shows each training case in that "
            "share of the rounds only, local and pooled in all."
        )
    return said

"""Compare how often the federation and the baselines of a study show each training case."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import Personalisation
from fedgraft.common.plan import parts
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan


def budget_factor(plan: Plan) -> float:
    """How often a site that trains in every round shows each of its cases, in multiples of ``rounds x train.epochs``:
    more than 1 if it also trains something of its own (FedRep's head, Ditto's copy, fine-tuning)."""
    personal: Personalisation | None = parts.chosen(plan.personal, "personal", plan.engine.trusted)
    return 1.0 if personal is None else personal.budget(plan.rounds, plan.train.epochs)


def budget_sentences(plan: Plan) -> list[str]:
    """Sentences on why the budgets of federation and baselines differ; empty if they do not."""
    said, factor, fraction = [], budget_factor(plan), plan.strategy.fraction
    if factor != 1:
        name = choice_of("personal", str(plan.personal.target))
        said.append(
            f"Not the same budget: with personal={name} the federation shows each training "
            f"case {factor:.3g} times as often as local and pooled do."
        )
    if fraction < 1:
        said.append(
            f"Not the same budget: with strategy.fraction={fraction:g} the federation shows each training case in that "
            "share of the rounds only, local and pooled in all."
        )
    return said

"""Compare how often the federation, its rivals and the baselines of a study show each training case."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import Personalisation
from fedgraft.common.plan import parts
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.options import Study


def budget_factor(plan: Plan) -> float:
    """How often a site that trains in every round shows each of its cases, in multiples of ``rounds x train.epochs``:
    more than 1 if it also trains something of its own (FedRep's head, Ditto's copy, fine-tuning)."""
    personal: Personalisation | None = parts.chosen(plan.personal, "personal", plan.engine.trusted)
    return 1.0 if personal is None else personal.budget(plan.rounds, plan.train.epochs)


def budgets_beside(plan: Plan, study: Study) -> list[str]:
    """A sentence for each rival that shows its training cases more or less often than the recipe itself does; of
    ``strategy=exact`` there is no such number."""
    said = []
    for rival in study.rivals:
        if is_exact(plan.strategy) or is_exact(rival.plan.strategy):
            continue
        here, there = _shown(plan), _shown(rival.plan)
        if abs(there - here) > 1e-9 * here:
            shows = f"{rival.name} shows each training case {there:g} times, {study.recipe} {here:g} times"
            said.append(f"Not the same budget: {shows}.")
    return said


def _shown(plan: Plan) -> float:
    """How often a training case is shown, in the mean over sites."""
    return plan.rounds * plan.train.epochs * plan.strategy.fraction * budget_factor(plan)


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

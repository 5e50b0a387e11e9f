"""How a site trains a model of which a part may be its own."""

from __future__ import annotations

from fedgraft.common.interfaces.personalisation import PersonalTraining
from fedgraft.common.personalisation.shared import OneForAll
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan


def personal_training(plan: Plan, allowed: tuple[str, ...]) -> PersonalTraining:
    """What the plan's ``personal`` names."""
    if plan.personal.target is None:
        return OneForAll()
    found: PersonalTraining = parts.build(plan.personal.target, "personal", plan.personal.options, allowed)
    return found

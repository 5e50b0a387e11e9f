"""What a run promises a patient or a hospital, and what it has cost so far: ``privacy`` in ``summary.json``."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import epsilon
from fedgraft.common.privacy.budget import budget_of, site_noise_of


def promise(plan: Plan, rounds: int) -> dict[str, Any] | None:
    """``None`` without privacy.

    Args:
        rounds: that were completed.
    """
    section = plan.privacy
    if not section.on:
        return None
    told = {"unit": section.unit, "epsilon": section.epsilon, "delta": section.delta}
    if section.by_site:
        noise = site_noise_of(plan)
        spent = epsilon([replace(noise, times=rounds)] if rounds else [], section.delta)
        return {**told, "spent": round(spent, 6), "releases": [asdict(noise)], "apart": []}
    budget = budget_of(plan)
    spent = epsilon(budget.releases, section.delta)
    releases, apart = ([asdict(one) for one in some] for some in (budget.releases, budget.apart))
    return {**told, "spent": round(spent, 6), "releases": releases, "apart": apart}

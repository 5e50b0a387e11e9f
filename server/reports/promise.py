"""What a run promises a patient or a hospital, what it has cost so far, and which noisy steps were lost: ``privacy`` in
``summary.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import epsilon
from fedgraft.common.privacy.budget import budget_of, site_noise_of
from fedgraft.server.rounds.state import Round


def promise(plan: Plan, done: Sequence[Round]) -> dict[str, Any] | None:
    """``None`` without privacy.

    Args:
        done: the rounds that were completed, from 0 on.
    """
    section = plan.privacy
    if not section.on:
        return None
    told: dict[str, Any] = {"unit": section.unit, "epsilon": section.epsilon, "delta": section.delta}
    told["steps"], rounds = _steps(done), done[-1].number
    if section.by_site:
        noise = site_noise_of(plan)
        spent = epsilon([replace(noise, times=rounds)] if rounds else [], section.delta)
        return {**told, "spent": round(spent, 6), "releases": [asdict(noise)], "apart": []}
    budget = budget_of(plan)
    spent = epsilon(budget.releases, section.delta)
    releases, apart = ([asdict(one) for one in some] for some in (budget.releases, budget.apart))
    return {**told, "spent": round(spent, 6), "releases": releases, "apart": apart}


def lost_steps(done: Sequence[Round]) -> list[str]:
    """A warning, if noisy steps were lost."""
    steps = _steps(done)
    if steps is None or not (steps["lost"] or steps["spent"]):
        return []
    lost = [f"{steps['unit']} {one['step']} was lost in round {one['round']} ({one['why']})" for one in steps["lost"]]
    if steps["spent"]:
        lost.append("training ended when the sites' privacy accounts held no more answers of this run (privacy-spent)")
    return [
        f"the model rests on {steps['taken']} of {steps['due']} noisy {steps['unit']}s: {'; '.join(lost)}; a lost one "
        "was charged, and is not asked again"
    ]


def _steps(done: Sequence[Round]) -> dict[str, Any] | None:
    """How many noisy steps were due, and the model rests on, and those that were lost; ``None`` before the first."""
    known = [one.steps for one in done if one.steps is not None]
    if not known:
        return None
    last = known[-1]
    lost = [{"round": one.number, **asdict(step)} for one in done if one.steps for step in one.steps.lost]
    return {"taken": last.taken, "due": last.due, "unit": last.unit, "lost": lost, "spent": last.spent}

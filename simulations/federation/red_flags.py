"""What makes a plan dangerous for a single patient at simulated hospitals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgraft.client.cohort.case import Case
from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import all_dangers


def red_flag_sentences(plan: Plan, sites: Mapping[str, Sequence[Case]]) -> list[str]:
    """A sentence for each danger; by all cases of each class that a site has."""
    task = tasks.of(plan.data)
    counts = {
        name: [one.count(True, range(len(cases))) for one in task.outcomes(cases)]
        for name, cases in sites.items()
        if name not in plan.hold_out
    }
    return [str(danger) for danger in all_dangers(plan, counts)]

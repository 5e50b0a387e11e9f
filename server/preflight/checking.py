"""The check that ``fedgraft coordinator run`` makes before it submits a plan."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import plan_dangers
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import Folder, read_sites
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.preflight.fitting import (
    examine,
    left_out,
    misfit_table,
    not_known,
    require_quorum,
    to_approve,
    would_run,
)
from fedgraft.server.preflight.needs import needs_of


@dataclass(frozen=True)
class Checked:
    """
    Attributes:
        left_out: the sites that the run must leave out, names by node id.
        where: on which sites it would run now, in a sentence.
    """

    left_out: dict[str, str]
    where: str


def check(folder: Folder, plan: Plan, anyway: bool, without: Collection[int] = ()) -> Checked:
    """Whether and where a plan can run; says which sites it leaves out, of which nothing is known, and what makes the
    plan dangerous for a patient.

    Args:
        anyway: submit to those that fit.
        without: node ids that the run leaves out already.

    Raises:
        PlanError, BackboneError: the plan's model can't be built.
        DeploymentError: the coordinator is not running, fewer sites are registered than the quorum needs, or the plan
            does not fit (the message is the table).
    """
    for danger in plan_dangers(plan):
        say(str(danger))
    states = orders.node_states(folder)
    asked = [site for site in read_sites(folder) if int(site.node_id) not in without]
    fits = examine(needs_of(plan), asked, states, read_announced(folder), time.time())
    require_quorum(fits, plan, anyway)
    unfit = left_out(fits, plan, anyway)
    if unfit:
        say(f"left out, since the plan does not fit:\n{misfit_table(fits)}")
    for sentence in filter(None, (not_known(fits), to_approve(fits, plan.digest))):
        say(sentence)
    return Checked(unfit, would_run(fits, plan))

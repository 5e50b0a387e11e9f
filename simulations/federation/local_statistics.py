"""Compute federated statistics directly from simulated sites, for callers that need a model before any run.

Where a model does not depend on the numbers, and asking would decode every image, placeholders are used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedgraft.client.app.statistics import site_statistics
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.inputs import Factories, factory_of, site_context
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.interfaces.input_kind import FederatedStatistics
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import lay_out

Sites = Mapping[str, Path]
"""Site files by name."""


def with_local_statistics(plan: Plan, sites: Sites) -> Plan:
    """The plan with the statistics that a run over these sites would ask for; with placeholders, if these do.

    Raises:
        PlanError: no site releases anything of what the plan needs.
        DataError: a cohort can't be used.
    """
    asked = _asked(plan)
    made_up = None if asked is None else asked.stand_in()
    return with_answers(plan, sites, Store(None)) if made_up is None else replace(plan, **made_up)


def with_answers(plan: Plan, sites: Sites, store: Store) -> Plan:
    """The plan with the statistics that a run over these sites would ask for; reads all their training cases.

    Args:
        store: where they keep what their cases become.

    Raises:
        PlanError, DataError: as `with_local_statistics`.
    """
    asked = _asked(plan)
    return plan if asked is None else replace(plan, **asked.known(list(_answers(plan, asked, sites, store).values())))


def without_unknown(plan: Plan, sites: Sites) -> tuple[Plan, tuple[str, ...]]:
    """The plan without the columns that no training site has a known value of, and these columns' names.

    A study uses this for baselines in which only some hospitals train.

    Raises:
        PlanError: they have no known value of any column.
    """
    asked = _asked(plan)
    if asked is None or asked.stand_in() is not None:
        return plan, ()
    sections, dropped = asked.without_unknown(_answers(plan, asked, sites, Store(None)))
    return replace(plan, **sections), dropped


def statistics_of_simulation(plan: Plan, environ: Mapping[str, str]) -> Plan:
    """`with_local_statistics` of the sites that `fedgraft simulate` would lay out; the plan itself, if its model does
    not depend on them."""
    asked = _asked(plan)
    if asked is None or asked.stand_in() is not None:
        return plan
    with tempfile.TemporaryDirectory(prefix="fedgraft-plan-") as folder:
        return with_local_statistics(plan, lay_out(plan, Path(folder), environ).sites)


def _asked(plan: Plan) -> FederatedStatistics | None:
    return kind_of(plan, plan.engine.trusted).federated_statistics()


def _answers(plan: Plan, asked: FederatedStatistics, sites: Sites, store: Store) -> dict[str, Any]:
    """By name, of the sites that are not held out, in the order of their names."""
    factories: Factories = {}
    found = {}
    for name in sorted(set(sites) - set(plan.hold_out)):
        site = read_site_file(sites[name])
        context = site_context(plan, site, store)
        inputs = factory_of(context.kind, site.trusted, factories).inputs(context)
        found[name] = site_statistics(plan, asked, site, inputs, roll_of(site, lasting=False))
    return found

"""A plan from Hydra overrides, for the benchmarks that run the server and the sites without the command."""

from __future__ import annotations

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed


def plan_of(*overrides: str) -> Plan:
    return composed(Words(overrides)).plan

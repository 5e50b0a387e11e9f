"""A plan from Hydra overrides, for the benchmarks that run the server and the sites without the command."""

from __future__ import annotations

from hydra import compose, initialize_config_module

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.commands.compose import to_plan


def plan_of(*overrides: str) -> Plan:
    with initialize_config_module(config_module="fedgraft.conf", version_base="1.3"):
        return to_plan(compose(config_name="plan", overrides=list(overrides)))

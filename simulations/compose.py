"""The command line: Hydra's overrides, composed into a `Plan`, then checked against what it names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common import parts
from fedgraft.common.errors import FedGraftError, PlanError
from fedgraft.common.plan import Plan, from_dict
from fedgraft.server.aggregation import ALLOWED, supplied

CONFIG = "pkg://fedgraft.conf"
_FLAGS = ("-m", "--multirun")
_SUPPLIED = {
    "data": {"root", "cache", "seed"},
    "partition": {"source", "seed"},
    "adaptation": set[str](),
    "head": {"width", "classes"},
    "loss": {"class_weights"},
}


def to_plan(config: DictConfig) -> Plan:
    """A checked plan from what Hydra composed.

    Raises:
        PlanError: every option that is wrong, unknown or missing, in one list.
    """
    try:
        raw = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise PlanError(str(error).splitlines()[0]) from error
    plan = from_dict(cast(dict[str, Any], raw))
    problems = part_problems(plan)
    if problems:
        raise PlanError(problems)
    return plan


def part_problems(plan: Plan) -> list[str]:
    """What is wrong with the parts that the plan names: unknown targets, options that they do not take."""
    named = {name: getattr(plan, name) for name in _SUPPLIED if getattr(plan, name).target is not None}
    problems: list[str] = []
    for name, part in {**named, "strategy": plan.strategy}.items():
        given = supplied(plan) if name == "strategy" else _SUPPLIED[name]
        try:
            found = parts.resolve(part.target, name, ALLOWED if name == "strategy" else parts.OURS)
        except PlanError as error:
            problems += error.problems
        else:
            problems += parts.check_options(found, name, part.options, given)
    return problems


def run_hydra(arguments: Sequence[str], job: Callable[[Plan], None], extra: Sequence[str] = ()) -> int:
    """Compose the plan from the command line and run ``job`` on it; with ``-m`` once per point of the sweep.

    Args:
        arguments: what followed the command.
        extra: overrides that come first.
    """
    failures: list[FedGraftError] = []

    @hydra.main(version_base="1.3", config_path=CONFIG, config_name="plan")
    def composed(config: DictConfig) -> None:
        try:
            job(to_plan(config))
        except FedGraftError as error:
            failures.append(error)

    before = sys.argv
    flags = [word for word in arguments if word in _FLAGS]  # Hydra wants them before the overrides
    sys.argv = ["fedgraft", *flags, *extra, *(word for word in arguments if word not in _FLAGS)]
    try:
        composed()
    finally:
        sys.argv = before
    if len(failures) > 1:
        raise FedGraftError(f"{len(failures)} runs of the sweep failed:\n" + "\n".join(map(str, failures)))
    if failures:
        raise failures[0]
    return 0

"""Put classes from a notebook in place of parts of a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.plan import notebook
from fedgraft.common.plan.plan import Plan, read
from fedgraft.simulations.planning.compose import SUPPLIED_TO_PARTS, part_problems

Part = Callable[..., Any]
Given = Part | tuple[Part, Mapping[str, Any]]
"""A class, or a class and its options."""


@dataclass(frozen=True)
class Lending:
    """A plan, and the notebook's classes that it names.

    Attributes:
        plan: the plan, with those classes as targets.
        parts: the classes by target.
    """

    plan: Plan
    parts: Mapping[str, Part]


def with_parts(plan: Plan, parts: Mapping[str, Given]) -> Lending:
    """Replace parts of a plan.

    The section keeps its own options (``loss.weights``). The options of the replaced part (``loss.gamma`` of focal) are
    dropped, unless the new part is the same one.

    Args:
        parts: by section: ``{"loss": MyLoss}`` or ``{"loss": (MyLoss, {"epsilon": 1.0})}``.

    Raises:
        PlanError: there is no such section, or a part does not suit the plan; all problems in one list.
    """
    if not parts and not notebook.targets_of_notebooks(vars(plan)):
        return Lending(plan, {})
    raw, lent, problems = plan.to_dict(), dict[str, Part](), []
    for section, given in parts.items():
        part, options = given if isinstance(given, tuple) else (given, {})
        if section not in SUPPLIED_TO_PARTS:
            problems.append(f"parts={section}: choose one of {', '.join(SUPPLIED_TO_PARTS)}")
        elif not callable(part):
            problems.append(f"parts={section}: {part!r} is not a class or function")
        else:
            target = notebook.target_of(section, part)
            there = getattr(plan, section)
            before = {} if there.target == target else there.options  # of the same part they stay
            kept = {name: value for name, value in raw[section].items() if name not in before}
            raw[section] = {**kept, **options, "_target_": target}
            lent[target] = part
    if plan.engine.name == "ray":
        problems.append("parts: engine=ray trains in other processes, which don't have them; use engine=inprocess")
    with notebook.lent(lent):
        reading = read(raw)
        problems += [*reading.problems, *part_problems(reading.sections)]
    if problems:
        raise PlanError(problems)
    return Lending(Plan(**reading.sections), lent)

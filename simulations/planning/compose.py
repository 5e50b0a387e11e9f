"""What Hydra composed, as a `Plan` that is checked against what it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common.errors import PlanError
from fedgraft.common.losses.suitability import misfit, without_effect
from fedgraft.common.models.table_backbone import option_problems
from fedgraft.common.plan import parts
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.plan import Plan, read
from fedgraft.common.plan.sections import LossSection
from fedgraft.common.plan.types import OURS
from fedgraft.server.aggregation.strategies import FLOWER, SUPPLIED
from fedgraft.simulations.planning.options import Study, contradictions, split_off

_SUPPLIED = {
    "data": {"root", "cache", "seed"},
    "partition": {"source", "seed"},
    "adaptation": set[str](),
    "head": {"width", "classes"},
    "loss": {"class_weights", "class_counts"},
    "strategy": SUPPLIED,
    "compression": set[str](),
    "initial": {"classes"},
    "alignment": set[str](),
    "personal": set[str](),
    "adapt": set[str](),
    "sampling": set[str](),
    "harmonise": set[str](),
}


def to_study(config: DictConfig) -> tuple[Plan, Study]:
    """A checked plan, and the study of it, from what Hydra composed.

    Raises:
        PlanError: every option that is wrong, unknown or missing, in one list.
    """
    plan, study, problems = study_problems(config)
    if plan is None:
        raise PlanError(problems)
    return plan, study


def study_problems(config: DictConfig) -> tuple[Plan | None, Study, list[str]]:
    """`to_study`, but with its problems: there is a plan if there is none of them."""
    try:
        raw = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        return None, Study(), [str(error).splitlines()[0]]
    study, raw_plan, problems = split_off(cast(dict[str, Any], raw))
    reading = read(raw_plan)
    adapted = {**reading.sections, "adapt": study.adapt} if study.adapt.target is not None else reading.sections
    problems += [*reading.problems, *part_problems(adapted), *contradictions(study, reading.sections)]
    return None if problems else Plan(**reading.sections), study, problems


def part_problems(sections: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parts that the sections name: unknown targets, options that they do not take."""
    problems = option_problems(sections["backbone"]) if "backbone" in sections else []
    engine = sections.get("engine")
    own = OURS if engine is None else engine.trusted
    for name, given in _SUPPLIED.items():
        part = sections.get(name)
        if part is None or part.target is None:
            continue
        try:
            found = parts.resolve(part.target, name, (*own, FLOWER) if name == "strategy" else own)
        except PlanError as error:
            problems += error.problems
        else:
            problems += parts.check_options(found, name, part.options, given)
            if name == "loss":
                problems += _loss_problems(found, part, sections.get("data"))
    return problems


def _loss_problems(found: Callable[..., Any], loss: LossSection, data: DataSection | None) -> list[str]:
    unsuited = None if data is None else misfit(found, loss, data)
    if unsuited is not None:
        return [unsuited]
    # with survival, weights and priors are a contradiction whatever the loss
    return [] if data and data.task == "survival" else without_effect(found, loss)

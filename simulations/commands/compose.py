"""The command line: Hydra's overrides, composed into a `Plan`, then checked against what it names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fedgraft.common.errors import FedGraftError, PlanError
from fedgraft.common.losses.suitability import misfit, without_effect
from fedgraft.common.models.table_backbone import option_problems
from fedgraft.common.plan import parts
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.plan import Plan, read
from fedgraft.common.plan.sections import LossSection
from fedgraft.common.plan.types import OURS
from fedgraft.server.aggregation.strategies import FLOWER, SUPPLIED
from fedgraft.simulations.study.options import Study, contradictions, split_off

CONFIG = "pkg://fedgraft.conf"
_COMPLETION = {"-sc", "--shell-completion", "--shell_completion"}
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


def to_plan(config: DictConfig) -> Plan:
    """`to_study` without the study."""
    return to_study(config)[0]


def to_study(config: DictConfig) -> tuple[Plan, Study]:
    """A checked plan, and the study of it, from what Hydra composed.

    Raises:
        PlanError: every option that is wrong, unknown or missing, in one list.
    """
    try:
        raw = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise PlanError(str(error).splitlines()[0]) from error
    study, raw_plan, problems = split_off(cast(dict[str, Any], raw))
    reading = read(raw_plan)
    adapted = {**reading.sections, "adapt": study.adapt} if study.adapt.target is not None else reading.sections
    problems += [*reading.problems, *part_problems(adapted), *contradictions(study, reading.sections)]
    if problems:
        raise PlanError(problems)
    return Plan(**reading.sections), study


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


def run_hydra(arguments: Sequence[str], job: Callable[[Plan, Study], None], extra: Sequence[str] = ()) -> int:
    """Compose plan and study from the command line and run ``job`` on them; with ``-m`` once per point of the sweep.

    Args:
        arguments: what followed the command.
        extra: overrides that come last.
    """
    failures: list[FedGraftError] = []

    @hydra.main(version_base="1.3", config_path=CONFIG, config_name="plan")
    def composed(config: DictConfig) -> None:
        try:
            job(*to_study(config))
        except FedGraftError as error:
            failures.append(error)

    flags, overrides = flags_and_overrides(arguments)
    before = sys.argv
    sys.argv = ["fedgraft", *flags, *overrides, *(() if _COMPLETION & set(flags) else extra)]
    try:
        composed()
    finally:
        sys.argv = before
    if len(failures) > 1:
        raise FedGraftError(f"{len(failures)} runs of the sweep failed:\n" + "\n".join(map(str, failures)))
    if failures:
        raise failures[0]
    return 0


def flags_and_overrides(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra wants its flags first; here they may stand anywhere.

    A word without ``=`` after a flag is the flag's value (``--cfg job``), and so is any word after ``-sc``.
    """
    flags: list[str] = []
    overrides: list[str] = []
    for before, word in zip(("", *arguments), arguments, strict=False):
        value = before.startswith("-") and (before in _COMPLETION or ("=" not in word and word[:1] not in ("~", "+")))
        (flags if word.startswith("-") or value else overrides).append(word)
    return flags, overrides

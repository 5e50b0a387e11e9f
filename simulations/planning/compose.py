"""Turn what Hydra composed into a checked `Plan` and a study."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.strategy import FLOWER
from fedgraft.common.kinds.table_backbone import option_problems
from fedgraft.common.losses.suitability import misfit, without_effect
from fedgraft.common.model_folder.graft import Graft
from fedgraft.common.plan import parts
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.plan import Plan, read
from fedgraft.common.plan.sections import LossSection
from fedgraft.common.plan.types import OURS
from fedgraft.server.aggregation.strategies import SUPPLIED
from fedgraft.simulations.datasets.found import find
from fedgraft.simulations.datasets.source import SUPPLIED as SUPPLIED_TO_DATA
from fedgraft.simulations.datasets.source import Source, data_root, load_source
from fedgraft.simulations.federation.sites import cache_folder
from fedgraft.simulations.planning.begins import with_digest
from fedgraft.simulations.planning.options import Study, contradictions, split_off

SUPPLIED_TO_PARTS = {
    "data": SUPPLIED_TO_DATA,
    "partition": {"source", "seed", "task"},
    "input": {"plan", "trusted"},
    "adaptation": set[str](),
    "head": {"width", "classes", "bag"},
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
"""By section that names a part: the arguments that FedGraft itself passes to the part."""


Say = Callable[[str], None]


def quiet(sentence: str) -> None:
    """The `Say` that says nothing."""


class Composition(NamedTuple):
    """A plan (``None`` if there are problems), its study, the problems, and the graft from which it begins."""

    plan: Plan | None
    study: Study
    problems: list[str]
    graft: Graft | None = None


def to_study(config: DictConfig, say: Say = quiet, chosen: Collection[str] = ()) -> tuple[Plan, Study, Graft | None]:
    """Read and check a plan and its study, and the graft from which it begins.

    Args:
        say: called with a sentence for each value that the plan leaves open and that was found in the cases (`find`).
        chosen: groups and options that the user named.

    Raises:
        PlanError: options that are wrong, unknown or missing, all in one list.
        DataError: a value that the plan leaves open can't be found in its cases.
    """
    plan, study, problems, graft = study_problems(config, say, chosen)
    if plan is None:
        raise PlanError(problems)
    return plan, study, graft


def study_problems(config: DictConfig, say: Say = quiet, chosen: Collection[str] = ()) -> Composition:
    """As `to_study`, but returns the problems instead of raising; with problems the plan is ``None``."""
    try:
        raw = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        return Composition(None, Study(), [f"{error.full_key} is not set; write {error.full_key}=..."])
    except OmegaConfBaseException as error:
        return Composition(None, Study(), [str(error).splitlines()[0]])
    study, raw_plan, problems = split_off(cast(dict[str, Any], raw))
    raw_plan, graft = with_digest(raw_plan, problems)
    try:
        found = find(raw_plan, lambda data: _loaded(data, raw_plan), chosen)
    except PlanError as error:
        return Composition(None, study, [*problems, *error.problems])
    for sentence in found.sentences:
        say(sentence)
    reading = read(found.raw)
    adapted = {**reading.sections, "adapt": study.adapt} if study.adapt.target is not None else reading.sections
    problems += [*reading.problems, *part_problems(adapted), *contradictions(study, reading.sections)]
    return Composition(None if problems else Plan(**reading.sections), study, problems, graft)


def _loaded(data: Mapping[str, Any], raw: Mapping[str, Any]) -> Source:
    """Load the data set that an unchecked plan names."""
    engine, seed = raw.get("engine"), raw.get("seed")
    allow = engine.get("allow", ()) if isinstance(engine, Mapping) else ()
    seed = seed if isinstance(seed, int) else 0
    return load_source(data, data_root(os.environ), cache_folder(os.environ), seed, (*OURS, *allow))


def part_problems(sections: Mapping[str, Any]) -> list[str]:
    """Problems of the parts that the sections name: unknown targets, and options that a part does not take."""
    problems = option_problems(sections["backbone"]) if "backbone" in sections else []
    engine = sections.get("engine")
    own = OURS if engine is None else engine.trusted
    for name, given in SUPPLIED_TO_PARTS.items():
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
    # without classes, weights and priors are a contradiction whatever the loss
    return [] if data and not tasks.of(data).has_classes else without_effect(found, loss)

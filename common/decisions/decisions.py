"""What a model's scores are decided by: thresholds and sets of answers, for all sites and for each. Plain data."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from fedgraft.common import tasks
from fedgraft.common.decisions.conformal import bounds, inside
from fedgraft.common.decisions.counts import Floats, Weighed, mixed
from fedgraft.common.decisions.operating import threshold
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.evidence_sections import DecideSection
from fedgraft.common.plan.types import STRICT

Finite = Annotated[float, Field(allow_inf_nan=False)]
Counts = Sequence[ScoreCounts]


@dataclass(frozen=True)
class Rules:
    """The rules of one site, or of all.

    Attributes:
        thresholds: by scored class (`Task.scored`): the log odds from which on a case is called positive; ``None``
            where validation cases were of one side only.
        cautious: likewise, so low that at most ``decide.miss`` of the positive cases are called negative; ``None``:
            there are too few positive cases to promise that, and none may be called negative.
        limits: by answer (`Task.answers`): the log odds against it up to which it is in a case's set; ``None``: it
            always is, since there are too few cases to promise ``decide.coverage`` without it.
    """

    __pydantic_config__ = STRICT
    thresholds: tuple[Finite | None, ...]
    cautious: tuple[Finite | None, ...]
    limits: tuple[Finite | None, ...]


@dataclass(frozen=True)
class Decisions:
    """Rules, pooled and by site.

    Attributes:
        task, classes: as in the plan's ``data``.
        section: the plan's ``decide``.
        sites: of those that have their own.
        because: of each scored class whose rule is the raw model's (positive from a probability of one half on, and
            no sets of answers), why none was chosen.
    """

    __pydantic_config__ = STRICT
    task: str
    classes: tuple[str, ...]
    section: DecideSection
    pooled: Rules
    sites: Mapping[str, Rules] = field(default_factory=dict)
    because: Mapping[str, str] = field(default_factory=dict)

    @property
    def without_sets(self) -> tuple[str, ...]:
        """The questions (`Answer.question`) whose answers are not given as sets."""
        task = tasks.of(self)
        return without_sets(task, self.because)

    def rules(self, site: str | None = None) -> Rules:
        """The rules of a site; the pooled ones if it has none of its own, or is ``None``."""
        return self.pooled if site is None else self.sites.get(site, self.pooled)

    def sets(self, scores: Floats, site: str | None = None) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which answers (`Task.answers`) are in each case's set: scores ``(N, S)`` -> ``(N, A)`` bool."""
        limits = [math.inf if limit is None else limit for limit in self.rules(site).limits]
        return inside(tasks.of(self).answers, limits, scores)

    def to_json(self) -> str:
        """The same bytes for the same decisions; `from_json` reads it back."""
        found = asdict(self)
        if not self.because:
            del found["because"]
        return json.dumps(found, sort_keys=True, indent=2, allow_nan=False) + "\n"


def rules_of(
    task: AnyTask,
    section: DecideSection,
    own: Counts | None,
    pooled: Counts,
    strange: tuple[Counts | None, Counts] | None = None,
) -> Rules:
    """The rules of a site from validation cases, by ``section.by_site``; of all sites if ``own`` is ``None``.

    Args:
        own, pooled: score counts of each scored class.
        strange: the same two for what is promised, each case as strange as it may be
            (`fedgraft.common.decisions.conformal.whole_groups`); ``None``: as they are.
    """
    weight = {"pooled": None, "own": 0.0, "shrunk": section.cases}[section.by_site]

    def together(own: Counts | None, pooled: Counts) -> list[Weighed]:
        parts = [None] * len(pooled) if own is None else list(own)
        return [mixed(one, whole, weight) for one, whole in zip(parts, pooled, strict=True)]

    each = together(own, pooled)
    promised = each if strange is None else together(*strange)
    asked = [one for one in task.answers if one.speaks_for]
    missed = bounds(asked, promised, section.miss, by_answer=True)
    cautious = {one.score: -limit for one, limit in zip(asked, missed, strict=True)}
    limits = bounds(task.answers, promised, 1 - section.coverage, section.by_answer)
    return Rules(
        tuple(threshold(one, section.at, section.value) for one in each),
        tuple(_finite(cautious[place]) for place in range(len(each))),
        tuple(_finite(limit) for limit in limits),
    )


def without_sets(task: AnyTask, raw: Collection[str]) -> tuple[str, ...]:
    """The questions about any of these scored classes."""
    asked = {answer.question: None for answer in task.answers if task.scored[answer.score] in raw}
    return tuple(asked)


def with_raw(rules: Rules, task: AnyTask, raw: Collection[str]) -> Rules:
    """Rules in which these scored classes are called positive from log odds of 0 on, and nothing else is promised."""
    return Rules(
        tuple(0.0 if name in raw else one for name, one in zip(task.scored, rules.thresholds, strict=True)),
        tuple(None if name in raw else one for name, one in zip(task.scored, rules.cautious, strict=True)),
        tuple(
            None if answer.question in without_sets(task, raw) else one
            for answer, one in zip(task.answers, rules.limits, strict=True)
        ),
    )


def from_json(text: str) -> Decisions:
    """Read what `Decisions.to_json` wrote.

    Raises:
        DataError: it is not JSON, or a key is missing, unknown, or not what it must be.
    """
    try:
        found = TypeAdapter(Decisions).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"the decisions can't be read: {where}: {first['msg'].lower()}") from error
    task = tasks.of(found) if found.task in tasks.TASKS else None
    for rules in (found.pooled, *found.sites.values()):
        if task is None or (len(rules.thresholds), len(rules.limits)) != (len(task.scored), len(task.answers)):
            raise DataError("the decisions can't be read: they don't fit the classes of a known task")
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""What a plan needs of a site that can be told before anything is submitted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedgraft.common import tasks
from fedgraft.common.installed import version_of
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.parts import is_within
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS
from fedgraft.common.tensors import count_bytes
from fedgraft.common.wire.site_facts import WIRE, Kind

_NOT_AT_SITES = ("data", "partition", "strategy", "engine", "clock", "tracking")
"""Sections whose parts no site builds."""


@dataclass(frozen=True)
class Needs:
    """What a site must have.

    Attributes:
        fedgraft, wire: as at the coordinator.
        kind: of its cases; ``None`` for any. ``case``: one, in words (``an image``).
        columns: of its manifest or table, with the labels' columns.
        given: columns of its manifest that only this plan's options ask for.
        packages: besides ``fedgraft``, from which the plan has parts.
        once, each: bytes that a site keeps at least: of the backbone, and of each case.
    """

    fedgraft: str
    wire: int
    kind: Kind | None
    case: str
    columns: tuple[str, ...]
    packages: tuple[str, ...]
    once: int
    each: int
    given: tuple[str, ...] = ()


def needs_of(plan: Plan, model: Model | None = None) -> Needs:
    """
    Args:
        model: the plan's, if it is built already.

    Raises:
        PlanError: a part of the plan can't be built.
        BackboneError: its weights are not there, or do not fit.
    """
    facts, task = kind_of(plan, plan.engine.trusted).facts(), tasks.of(plan.data)
    table = () if plan.table is None else (*plan.table.numeric, *plan.table.categorical)
    label = ("label",) if task.reads_label else ()
    once, each = _kept(plan, model)
    return Needs(
        fedgraft=version_of("fedgraft"),
        wire=WIRE,
        kind=None if facts.rows and facts.files else "rows" if facts.rows else "files",
        case=facts.a,
        columns=tuple(dict.fromkeys((*label, *task.manifest_columns, *table))),
        packages=tuple(sorted(set(_packages(plan)))),
        once=once,
        each=each,
        given=("split",) if plan.data.test == "given" else (),
    )


def _kept(plan: Plan, model: Model | None) -> tuple[int, int]:
    """The bytes of the backbone, and those that are kept of a case; none if the model depends on numbers that only
    the sites have."""
    trusted = plan.engine.trusted
    asked = kind_of(plan, trusted).federated_statistics()
    if model is None and asked is not None and asked.stand_in() is None:
        return 0, 0
    model = build(plan, None, trusted) if model is None else model
    number = np.dtype(plan.backbone.keep_as).itemsize
    return count_bytes(model.backbone_state()), math.prod(model.constant.shape) * number


def _packages(plan: Plan) -> Iterator[str]:
    sections = {name: value for name, value in plan.to_dict().items() if name not in _NOT_AT_SITES}
    return (target.rpartition(".")[0] for target in _targets(sections) if not is_within(target, OURS))


def _targets(value: Any) -> Iterator[str]:
    """Every ``_target_`` in plain data."""
    if isinstance(value, dict):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        for inner in value.values():
            yield from _targets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _targets(inner)

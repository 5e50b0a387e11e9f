"""Check that a plan whose features are bags of instances (`fedgraft.common.interfaces.features.Bag`) has a head that
weighs them, and no part that takes a case for one vector."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.features import BAG, Bag
from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.plan import parts
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.plan import Plan

_WRONG: tuple[tuple[Callable[[Plan, Any], bool], str], ...] = (
    (lambda plan, _: plan.features.keep is not None, "features.keep ranks numbers by their place; set it to null"),
    (
        lambda plan, _: plan.augment.mixup > 0,
        "augment.mixup mixes numbers by their place, and the third window of one note is no match for that of another; "
        "set it to 0",
    ),
    (
        lambda plan, allowed: isinstance(parts.chosen(plan.sampling, "sampling", allowed), Synthesiser),
        "sampling makes new cases between two, number by number; use sampling=over, or none",
    ),
    (
        lambda plan, _: plan.alignment.target is not None,
        "alignment compares features number by number; use alignment=none",
    ),
    (
        lambda plan, _: plan.site_distances,
        "site_distances=true compares features number by number; set it to false",
    ),
)


def require_weighing_head(plan: Plan, bag: Bag | None, allowed: Iterable[str]) -> None:
    """
    Raises:
        PlanError: features are bags, and the head takes none, or the other way round.
    """
    weighs = parts.takes(plan.head, "head", BAG, allowed)
    name = choice_of("head", plan.head.target, plan.head.options)
    reads = "last" if plan.features.target is None else choice_of("features", plan.features.target)
    if weighs and bag is None:
        raise PlanError(
            f"head={name} weighs the windows of a note, and features={reads} gives one vector of a case; use "
            "features=windows, or head=plain"
        )
    if bag is not None and not weighs:
        raise PlanError(
            f"features={reads} keeps a vector for each window of a note, and head={name} would take windows for "
            "numbers by their place; use head=attention, or features=taps"
        )


def require_no_vectors(plan: Plan, bag: Bag | None, allowed: Iterable[str]) -> None:
    """
    Raises:
        PlanError: features are bags, and a part of the plan takes a case for one vector; names all such.
    """
    if bag is None:
        return
    reads = choice_of("features", str(plan.features.target))
    if found := [text for wrong, text in _WRONG if wrong(plan, tuple(allowed))]:
        raise PlanError([f"features={reads} keeps a vector for each window of a note: {text}" for text in found])

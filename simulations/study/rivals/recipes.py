"""The recipes of a study, by the methods that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study.baselines import FEDERATED


@dataclass(frozen=True)
class Recipes:
    """The recipe itself and its rivals.

    Attributes:
        names: what people call each method, the recipe itself first.
        words: the words of each, as typed; none of the recipe itself.
        digests: of the plans.
        without: words of the recipe that have no place in a rival.
        reference: the method from which the others are subtracted.
    """

    names: Mapping[str, str]
    words: Mapping[str, str]
    digests: Mapping[str, str]
    without: Mapping[str, tuple[str, ...]]
    reference: str

    @property
    def others(self) -> list[str]:
        return [method for method in self.names if method != self.reference]


def recipes_of(plan: Plan, study: Study) -> Recipes | None:
    """The recipes; ``None`` without rivals."""
    if not study.rivals:
        return None
    rivals = study.rivals
    return Recipes(
        {FEDERATED: study.recipe, **{one.name: one.name for one in rivals}},
        {FEDERATED: "", **{one.name: one.text for one in rivals}},
        {FEDERATED: plan.digest, **{one.name: one.plan.digest for one in rivals}},
        {one.name: one.without for one in rivals if one.without},
        study.reference or FEDERATED,
    )

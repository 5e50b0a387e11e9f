"""Each part of a plan proves, on the model that was built, that it acts; otherwise an error says what would make it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fedgraft.common import parts
from fedgraft.common.adapt import Adapting
from fedgraft.common.alignment import require_movable
from fedgraft.common.constant import IMAGES
from fedgraft.common.depths import require_depths
from fedgraft.common.errors import PlanError
from fedgraft.common.harmony import require_reference_fits
from fedgraft.common.initial_head import require_initial
from fedgraft.common.mixable import require_mixable
from fedgraft.common.plan import Plan
from fedgraft.common.privacy_problems import require_no_statistics
from fedgraft.common.table import TableSpec
from fedgraft.common.tasks.losses import require_suited
from fedgraft.common.vectors import require_vectors

if TYPE_CHECKING:
    from fedgraft.common.model import Model


def require_acting(plan: Plan, model: Model, allowed: Iterable[str]) -> None:
    """Refuse what would have no effect on this model, or has no meaning for it.

    Raises:
        PlanError: names the option, and what to set.
    """
    require_suited(plan, allowed)
    network, constant = model.network, model.constant
    parameters = (name for name, _ in network.named_parameters())
    require_initial(plan, network.head, model.roles, allowed)
    require_depths(plan.train, plan.rounds, parameters, model.roles, model.stages)
    if plan.adapt.target is not None:
        adapting: Adapting = parts.build(plan.adapt.target, "adapt", plan.adapt.options, allowed)
        adapting.require_effect(network)
    if plan.alignment.target is not None:
        require_movable(network)
    require_no_statistics(plan, model.names("shared"))
    if plan.engine.keep and plan.backbone.precision == "mixed" and constant.what == IMAGES:
        raise PlanError("backbone.precision=mixed has no effect: no part of the backbone is constant; set it to auto")
    codes = constant.what == IMAGES and isinstance(model.spec, TableSpec) and bool(model.spec.cardinalities)
    require_vectors(plan, constant.shape, codes, allowed)
    require_mixable(plan, constant, network.backbone)
    require_reference_fits(plan, model.spec, allowed)

"""Build a plan's ``initial``, the start of the head, and check that it suits the model; the start from zeros."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.linear_shape import WEIGHT, is_linear
from fedgraft.common.heads.ridge import Ridge
from fedgraft.common.interfaces.head_start import HeadStart, StartsFromSums, Sums, WeighsClasses
from fedgraft.common.interfaces.roles import HEAD, Role
from fedgraft.common.plan import parts
from fedgraft.common.plan.choice_names import choice_of, choice_of_part
from fedgraft.common.plan.plan import Plan

COMPARED = (3e3, 300.0, 30.0)
"""The penalties of the ridge heads by which ``features.scale=auto`` compares scales."""


def require_initial(plan: Plan, head: nn.Module, roles: Mapping[str, Role], allowed: Iterable[str]) -> None:
    """Check that the plan's ``initial``, or the ridge by which ``features.scale=auto`` compares, fits the head.

    The part is not built: a site need not have its file.

    Raises:
        PlanError: it does not fit; the message says why, and what to choose instead.
    """
    is_local = any(role == "local" for name, role in roles.items() if name.startswith(HEAD))
    if plan.initial.target is None:
        _require_comparable(plan, head, is_local)
        return
    found = parts.resolve(plan.initial.target, "initial", allowed)
    name = choice_of("initial", plan.initial.target)
    if is_local:
        raise PlanError(
            f"initial={name} gives all sites one head, but personal keeps the head at each site; "
            "use initial=none, or another personal"
        )
    misfit = getattr(found, "misfit", None)
    reason = "" if misfit is None else misfit(head, plan.initial.options)
    if reason:
        raise PlanError(f"initial={name}: {reason}")


def _require_comparable(plan: Plan, head: nn.Module, is_local: bool) -> None:
    reason = "personal keeps the head at each site" if is_local else Ridge.misfit(head, {})
    if plan.features.scale == "auto" and reason:
        raise PlanError(
            f"features.scale=auto compares ridge heads that all sites share, and {reason}; or set features.scale to "
            "common or own"
        )


def starts_head(plan: Plan) -> bool:
    """Whether the run computes heads from sums or files before the first round."""
    return plan.initial.target is not None or plan.features.scale == "auto"


def build_initial(plan: Plan, allowed: Iterable[str]) -> HeadStart:
    """Build the head start that the plan's ``initial`` names; for ``features.scale=auto`` without one, the ridge
    regression by which scales are compared.

    Raises:
        PlanError: it names none, or an option does not fit.
    """
    if plan.initial.target is None and plan.features.scale == "auto":
        return Ridge(list(COMPARED), balanced=True, scale=1.0, sketch=None, every_site=False)
    if plan.initial.target is None:
        raise PlanError("the plan names no initial._target_")
    initial: HeadStart = parts.build(
        plan.initial.target, "initial", plan.initial.options, allowed, classes=plan.data.classes
    )
    return initial


def weighed(start: HeadStart, counts: tuple[int, ...] | None) -> HeadStart:
    """The start for these training cases by class over all sites, if it depends on them."""
    return start.weighed(counts) if counts is not None and isinstance(start, WeighsClasses) else start


def no_sums(initial: HeadStart, head: Mapping[str, Tensor], classes: int) -> Sums:
    """The sums over no case: every site's must have these names and shapes. Empty if ``initial`` needs no sums.

    Args:
        head: the head's tensors by name; a ``weight (C, F)`` gives the number F of features.
    """
    if not isinstance(initial, StartsFromSums):
        return {}
    weight = head.get(WEIGHT)
    width = weight.shape[1] if weight is not None and weight.ndim == 2 else 0
    return initial.sums(torch.zeros(0, width), torch.zeros(0, dtype=torch.int64), classes)


class Zeros(HeadStart):
    """Starts a linear head with zero weights and biases: its first outputs are 0 for all classes and cases."""

    tells_classes_apart: ClassVar[bool] = False

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        """Only a linear head can learn from zeros: a cosine of a zero vector, or a hidden layer, has no gradient."""
        if is_linear(head, needs_bias=True):
            return ""
        name = choice_of_part("head", type(head))
        return f"zeros would leave head={name} nothing to learn from; use head=linear or initial=none"

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.zeros_like(tensor) for name, tensor in built.items()}

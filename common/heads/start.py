"""Whether a plan's ``initial`` suits the model, and what sites are to sum up for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.heads.linear_shape import WEIGHT, is_linear
from fedgraft.common.interfaces.head_start import HeadStart, Sums
from fedgraft.common.interfaces.roles import HEAD, Role
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan


def require_initial(plan: Plan, head: nn.Module, roles: Mapping[str, Role], allowed: Iterable[str]) -> None:
    """Refuse a start that the head can't have. The part itself is not built: only the coordinator may hold its file.

    Raises:
        PlanError: says why, and what to choose instead.
    """
    if plan.initial.target is None:
        return
    found = parts.resolve(plan.initial.target, "initial", allowed)
    if any(role == "local" for name, role in roles.items() if name.startswith(HEAD)):
        raise PlanError(
            f"initial={found.__name__} gives all sites one head, but personal keeps the head at each site; "
            "use initial=none, or another personal"
        )
    misfit = getattr(found, "misfit", None)
    reason = "" if misfit is None else misfit(head, plan.initial.options)
    if reason:
        raise PlanError(f"initial={found.__name__}: {reason}")


def build_initial(plan: Plan, allowed: Iterable[str]) -> HeadStart:
    """What the plan's ``initial`` names, which it must."""
    if plan.initial.target is None:
        raise PlanError("the plan names no initial._target_")
    initial: HeadStart = parts.build(
        plan.initial.target, "initial", plan.initial.options, allowed, classes=plan.data.classes
    )
    return initial


def no_sums(initial: HeadStart, head: Mapping[str, Tensor], classes: int) -> Sums:
    """The sums over no case: their names and shapes are those of every site's; empty if none are needed.

    Args:
        head: the head's tensors by name; of a head with a ``weight (C, F)``, features have F numbers.
    """
    weight = head.get(WEIGHT)
    width = weight.shape[1] if weight is not None and weight.ndim == 2 else 0
    return initial.sums(torch.zeros(0, width), torch.zeros(0, dtype=torch.int64), classes)


class Zeros(HeadStart):
    """All weights and biases are zero: the first outputs are equal for all classes and cases."""

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        """A direction of length zero, or a hidden layer behind zeros, would never learn."""
        if is_linear(head, needs_bias=True):
            return ""
        return f"zeros would leave a {type(head).__name__} head nothing to learn from; use head=linear or initial=none"

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        return {}

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.zeros_like(tensor) for name, tensor in built.items()}

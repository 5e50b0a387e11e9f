"""What a ``DifferentialPrivacy...`` strategy can't protect, or would spoil: it clips updates and adds noise to their
mean, and does nothing to what sites tell besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.roles import STATISTICS
from fedgraft.common.plan.checks.transfer import asks_sums
from fedgraft.common.plan.types import Check


def is_private(plan: Any) -> bool:
    """Whether the plan's strategy is one of Flower's for differential privacy."""
    return "DifferentialPrivacy" in plan.strategy.target


def unprotected(what: str, instead: str) -> str:
    """The refusal of ``what`` ("... shares ...") beside such a strategy; ``instead`` is what to set."""
    return (
        f"{what} that a DifferentialPrivacy... strategy would neither clip nor add noise to; use another strategy, or "
        f"{instead}"
    )


PRIVACY_CHECKS: tuple[Check, ...] = (
    Check(
        ("alignment", "strategy"),
        lambda p: p.alignment.target is not None and is_private(p),
        unprotected("alignment shares moments of features", "alignment=none"),
    ),
    Check(
        ("initial", "strategy"),
        lambda p: asks_sums(p) and is_private(p),
        unprotected("initial=prototypes and initial=ridge share sums of features by class", "initial=none"),
    ),
    Check(
        ("harmonise", "strategy"),
        lambda p: p.harmonise.target is not None and not p.harmonise.reference and is_private(p),
        unprotected(
            "harmonise with reference=[] shares means over images", "give harmonise.reference, or harmonise=none"
        ),
    ),
)


def require_protected_sums(plan: Any, name: str) -> None:
    """Refuse an initial that turned out to ask sites for sums; ours are refused by `PRIVACY_CHECKS` before.

    Raises:
        PlanError: the plan's strategy is for differential privacy.
    """
    if is_private(plan):
        raise PlanError(unprotected(f"initial={name} asks sites for sums over their cases", "initial=none"))


def require_no_statistics(plan: Any, shared: Iterable[str]) -> None:
    """Refuse noise in batch norm's running statistics.

    Args:
        shared: names of the shared tensors.

    Raises:
        PlanError: a strategy for differential privacy would get some.
    """
    if is_private(plan) and any(name.endswith(STATISTICS) for name in shared):
        raise PlanError(
            "backbone.batch_norm=train shares running statistics, and with the noise of a DifferentialPrivacy... "
            "strategy a variance can become negative; set backbone.batch_norm=eval, or adaptation=fedbn or silobn, "
            "which keep them at the site"
        )

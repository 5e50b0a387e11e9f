"""Checks of plans with a ``DifferentialPrivacy...`` strategy: it clips updates and adds noise to their mean, but does
not protect anything else that sites send, and would damage statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces import strategy
from fedgraft.common.interfaces.roles import STATISTICS
from fedgraft.common.plan.checks.transfer import asks_sums
from fedgraft.common.plan.parts import ours
from fedgraft.common.plan.types import Check


def is_private(plan: Any) -> bool:
    """Whether the plan's strategy is one for differential privacy, if it is Flower's or ours."""
    return strategy.is_private(ours(plan.strategy, "strategy"))


def unprotected(what: str, instead: str) -> str:
    """The error text for something that such a strategy does not protect.

    Args:
        what: a clause ("... shares ...").
        instead: what to set.
    """
    return (
        f"{what} that a DifferentialPrivacy... strategy would neither clip nor add noise to; use another strategy, or "
        f"{instead}"
    )


_TOLD = (
    Check(
        ("features",),
        lambda p: p.features.needs_common,
        unprotected("features.scale shares moments of features", "features.scale=case, or own with features.shrink=0"),
    ),
    Check(
        ("features",),
        lambda p: p.features.keep is not None,
        unprotected("features.keep shares sums of features by class", "features.keep=null"),
    ),
    Check(
        ("alignment",),
        lambda p: p.alignment.target is not None,
        unprotected("alignment shares moments of features", "alignment=none"),
    ),
    Check(
        ("initial",),
        asks_sums,
        unprotected("initial=prototypes and initial=ridge share sums of features by class", "initial=none"),
    ),
    Check(
        ("harmonise",),
        lambda p: p.harmonise.target is not None and not p.harmonise.reference,
        unprotected(
            "harmonise with reference=[] shares means over images", "give harmonise.reference, or harmonise=none"
        ),
    ),
)
"""What sites tell besides updates."""


def _beside_privacy(told: Check) -> Check:
    return Check((*told.sections, "strategy"), lambda p: told.wrong(p) and is_private(p), told.text)


PRIVACY_CHECKS: tuple[Check, ...] = tuple(_beside_privacy(told) for told in _TOLD)


def require_nothing_told(plan: Any) -> None:
    """Refuse what `PRIVACY_CHECKS` would, for a strategy that turned out to be private when it was built.

    Raises:
        PlanError: sites would tell something that it does not protect.
    """
    problems = [told.text for told in _TOLD if told.wrong(plan)]
    if problems:
        raise PlanError(problems)


def require_protected_sums(plan: Any, name: str) -> None:
    """Refuse an ``initial`` that asks sites for sums under differential privacy; for parts that `PRIVACY_CHECKS` do not
    know.

    Raises:
        PlanError: the plan's strategy is for differential privacy.
    """
    if is_private(plan):
        raise PlanError(unprotected(f"initial={name} asks sites for sums over their cases", "initial=none"))


def require_no_statistics(plan: Any, shared: Iterable[str]) -> None:
    """Refuse shared batch norm statistics under differential privacy, whose noise would damage them.

    Args:
        shared: names of the shared tensors.

    Raises:
        PlanError: some are batch norm's, and the strategy is for differential privacy.
    """
    if is_private(plan) and any(name.endswith(STATISTICS) for name in shared):
        raise PlanError(
            "backbone.batch_norm=train shares running statistics, and with the noise of a DifferentialPrivacy... "
            "strategy a variance can become negative; set backbone.batch_norm=eval, or adaptation=fedbn or silobn, "
            "which keep them at the site"
        )

"""A site that splits its cases otherwise than the plan says is named."""

from __future__ import annotations

from collections.abc import Callable

from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.roster import differing_fractions


def test_the_ledger_s_words(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("data.val_fraction=0.15", "data.test_fraction=0.25")
    assert differing_fractions(Offer("north", plan.digest, True, 9, None), plan) == ""
    assert differing_fractions(Offer("north", plan.digest, True, 9, None, fractions=(0.1, 0.2)), plan) == (
        "the site splits its cases by its own val_fraction 0.1, test_fraction 0.2; the plan's 0.15, 0.25 are without "
        "effect there"
    )

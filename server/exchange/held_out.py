"""Sites that the plan holds out, or that abstain since they have too few patients: they are prepared and evaluate the
final model, but do not contribute to it."""

from __future__ import annotations

from collections.abc import Mapping

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.exchange.too_few import TooFewError, text_of


def training(roster: Roster, plan: Plan) -> Roster:
    """The roster without held-out sites and those that abstain: only these sites' updates, class counts and sums are
    used."""
    return {node: offer for node, offer in roster.items() if offer.site not in plan.hold_out and not offer.abstains}


def without_part(offers: Mapping[str, Offer], plan: Plan) -> tuple[str, ...]:
    """Names of the sites that never train: held out, or abstaining.

    Args:
        offers: by name.
    """
    return (*plan.hold_out, *(name for name in abstaining(offers) if name not in plan.hold_out))


def abstaining(offers: Mapping[str, Offer]) -> dict[str, str]:
    """By site that abstains, the code of why."""
    return {name: offer.abstains for name, offer in sorted(offers.items()) if offer.abstains}


def require_prepared(roster: Roster, plan: Plan, ledger: Ledger, registered: Mapping[int, str]) -> None:
    """Check that every held-out site is ready: with a misspelt name in ``hold_out``, it would train.

    Raises:
        RoundError: a name in ``hold_out`` is not that of a ready site; the message lists those that are ready, and why
            others were refused.
        TooFewError: likewise, but all are registered, so that one can wait for them.
    """
    present = [offer.site for offer in roster.values()]
    absent = [name for name in plan.hold_out if name not in present]
    if not absent:
        return
    head = (
        f"hold_out names {', '.join(absent)}, but no such site is ready (ready: {', '.join(present) or 'none'}); "
        "correct the name, or start the run when the site is connected"
    )
    if set(absent) <= set(registered.values()):
        raise TooFewError(text_of(head, ledger.refusals()), 1, present, absent)
    raise RoundError("\n".join((head, *ledger.refusals())))

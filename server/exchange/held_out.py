"""Sites that the plan holds out: they are prepared and evaluate the final model, but do not contribute to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from flwr.serverapp import Grid

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import Roster


def training(roster: Roster, plan: Plan) -> Roster:
    """The roster without held-out sites: only these sites' updates, class counts and sums are used."""
    return {node: offer for node, offer in roster.items() if offer.site not in plan.hold_out}


def least_nodes(plan: Plan) -> int:
    """How many nodes to wait for: ``strategy.min_sites`` training sites, and the held-out ones."""
    return plan.strategy.min_sites + len(plan.hold_out)


def wait_for_held_out(grid: Grid, plan: Plan, registered: Mapping[int, str]) -> None:
    """Wait for the nodes that are registered under held-out names, at most ``strategy.timeout`` seconds."""
    wanted = {node for node, name in registered.items() if name in plan.hold_out}
    deadline = time.monotonic() + plan.strategy.timeout
    while not wanted <= set(grid.get_node_ids()) and time.monotonic() < deadline:
        time.sleep(1)


def require_prepared(roster: Roster, plan: Plan, ledger: Ledger) -> None:
    """Check that every held-out site is ready: with a misspelt name in ``hold_out``, it would train.

    Raises:
        RoundError: a name in ``hold_out`` is not that of a ready site; the message lists those that are ready, and why
            others were refused.
    """
    present = [offer.site for offer in roster.values()]
    absent = [name for name in plan.hold_out if name not in present]
    if absent:
        raise RoundError(_absent(absent, present, ledger))


def _absent(absent: Sequence[str], present: Sequence[str], ledger: Ledger) -> str:
    head = (
        f"hold_out names {', '.join(absent)}, but no such site is ready (ready: {', '.join(present) or 'none'}); "
        "correct the name, or start the run when the site is connected"
    )
    return "\n".join((head, *ledger.refusals()))

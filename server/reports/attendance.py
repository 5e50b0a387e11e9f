"""What a reader must know of who took part: sentences for ``warnings`` in ``summary.json``."""

from __future__ import annotations

from fedgraft.common.errors import FewPatientsError, RoleError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.held_out import abstaining
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.patience.quorum import cases_of_sites
from fedgraft.server.rounds.state import RunOutcome

_WHY = {
    FewPatientsError.code: "fewer training patients than the site's own min_count",
    RoleError.code: "another role than `train`",
}
LEAST = 0.5
"""Share of the rounds below which a site's part in them is worth a warning."""


def attendance(plan: Plan, outcome: RunOutcome, ledger: Ledger) -> list[str]:
    """A sentence on the sites that abstain, one if the site with most training cases was missing from a round, and one
    for each site that took part in fewer than `LEAST` of the rounds. With ``strategy.fraction`` below 1 sites are left
    out by chance: then only those are named that never took part.

    Args:
        ledger: says which sites were prepared, and how many training cases each has.
    """
    return [*_abstained(outcome), *_attended(plan, outcome, ledger)]


def _abstained(outcome: RunOutcome) -> list[str]:
    """A sentence for each reason for which sites took no part in training."""
    codes, found = abstaining(outcome.offers), []
    for code, why in _WHY.items():
        if names := [name for name, one in codes.items() if one == code]:
            several = f"{len(names)} site{'s' * (len(names) > 1)} with {why}"
            found.append(f"{several} took no part in training, and evaluated the final model: {', '.join(names)}")
    return found


def _attended(plan: Plan, outcome: RunOutcome, ledger: Ledger) -> list[str]:
    rounds = outcome.rounds[1:]
    cases = {name: many for name, many in cases_of_sites(ledger, {}).items() if name not in plan.hold_out}
    if not rounds or not cases:
        return []
    took = {name: sum(name in one.sites for one in rounds) for name in sorted(cases)}
    by_chance, every, total = plan.strategy.fraction < 1, len(rounds), sum(cases.values())
    largest = min(cases, key=lambda name: (-cases[name], name))
    found = []
    if took[largest] < every and not by_chance:
        found.append(
            f"{largest}, the site with most training cases ({cases[largest]} of {total}), was missing from "
            f"{every - took[largest]} of {every} round(s)"
        )
    for name, times in took.items():
        if times == 0 if by_chance else times < LEAST * every:
            found.append(f"{name} ({cases[name]} of {total} training cases) took part in {times} of {every} round(s)")
    return found

"""What a reader must know of who took part: sentences for ``warnings`` in ``summary.json``."""

from __future__ import annotations

from fedgraft.common.errors import FewPatientsError, RoleError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.listed import some_of
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


def untested(outcome: RunOutcome) -> list[str]:
    """A sentence that names the sites of which no test figure is told: of none, or of so few cases that it stays there.

    With a test set at the coordinator, or in secure sums, no site's own figures are looked for.
    """
    final = outcome.final
    told = {name: splits["test"].cases for name, splits in final.by_site.items() if "test" in splits}
    without = [name for name in sorted(outcome.offers) if not told.get(name)]
    summed = final.test is not None and final.test.cases > sum(told.get(name, 0) for name in outcome.offers)
    if not without or final.central is not None or summed:
        return []
    trained, several = sum(outcome.offers[name].examples or 0 for name in without), len(without) > 1
    of, where = f"{len(without)} of {len(outcome.offers)} hospitals", "there"
    if len(without) == len(outcome.offers):
        of, where = ("any hospital" if several else "the hospital"), "of how good the model is"
    return [
        f"no test figure of {of} ({some_of(without)}; {trained:,} training cases): nothing is known {where}. "
        "An evaluation of fewer cases than a hospital's release.min_count (5 by default) never leaves it, nor one that "
        "it or the plan forbids (or it did not answer: ledger.jsonl): more cases, or a larger data.test_fraction"
    ]


def _abstained(outcome: RunOutcome) -> list[str]:
    """A sentence for each reason for which sites took no part in training."""
    codes, found = abstaining(outcome.offers), []
    for code, why in _WHY.items():
        if names := [name for name, one in codes.items() if one == code]:
            several = f"{len(names)} site{'s' * (len(names) > 1)} with {why}"
            found.append(f"{several} took no part in training, and evaluated the final model: {some_of(names)}")
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

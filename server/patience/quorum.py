"""How many sites, and what share of all training cases, a run needs to go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fedgraft.common.plan.patience_section import PatienceSection
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.too_few import TooFewError, text_of


@dataclass(frozen=True)
class RestedOn:
    """On how many sites and training cases a round rested, of how many that the run has."""

    sites: int
    of_sites: int
    cases: int
    of_cases: int

    @property
    def is_whole(self) -> bool:
        return (self.sites, self.cases) == (self.of_sites, self.of_cases)


@dataclass(frozen=True)
class Quorum:
    """
    Attributes:
        known: training cases by name of each site of the run that trains, also of those that are away now.
    """

    patience: PatienceSection
    ledger: Ledger
    known: Mapping[str, int]

    def require(
        self, present: Mapping[str, int], number: int, what: str, unasked: Mapping[str, int] | None = None
    ) -> None:
        """Check that enough sites are there.

        Args:
            present: training cases by name, of the sites that are.
            number: of the round.
            what: that they did, for the error's text.
            unasked: those of sites that are ready and that the round did not ask (``strategy.fraction``): they are
                not missed.

        Raises:
            TooFewError: there are fewer than ``patience.quorum_sites``, or they have a smaller
                share of the cases than ``patience.quorum_cases``; says who was missing and why.
        """
        head, least = f"round {number}: {len(present)} site(s)", self.patience.quorum_sites
        if len(present) < least:
            head += f" {what}, patience.quorum_sites={least} are needed"
        elif self.share_of(present, unasked or {}) < (share := self.patience.quorum_cases):
            cases, all_cases = sum(present.values()), sum(self.asked(present, unasked or {}).values())
            head += f" with {cases} of {all_cases} training cases {what}, patience.quorum_cases={share:g} is needed"
        else:
            return
        raise TooFewError(text_of(head, self.ledger.refusals(number)), number, present)

    def asked(self, present: Mapping[str, int], unasked: Collection[str]) -> Mapping[str, int]:
        """Training cases by name of the sites that should take part."""
        return {name: cases for name, cases in {**self.known, **present}.items() if name not in unasked}

    def share_of(self, present: Mapping[str, int], unasked: Collection[str]) -> float:
        """The share of the training cases that the present sites have."""
        total = sum(self.asked(present, unasked).values())
        return sum(present.values()) / total if total else 1.0

    def rested_on(self, present: Mapping[str, int]) -> RestedOn:
        """What a round with these sites rests on."""
        everyone = self.asked(present, ())
        return RestedOn(len(present), len(everyone), sum(present.values()), sum(everyone.values()))


def quorum_of(plan: Plan, ledger: Ledger, registered: Mapping[int, str]) -> Quorum:
    """The quorum of a run, by what the ledger says of the sites that were prepared so far.

    Args:
        registered: site names by node id; a site that is not registered (any more) is no part of the run.
    """
    known = {name: cases for name, cases in cases_of_sites(ledger, registered).items() if name not in plan.hold_out}
    return Quorum(plan.patience, ledger, known)


def cases_of_sites(ledger: Ledger, registered: Mapping[int, str]) -> dict[str, int]:
    """By name, the training cases of each site that was prepared, as it last told them; of none that told 0, as one
    does that abstains."""
    prepared = {
        one.site: one
        for one in ledger.of("prepare")
        if one.outcome == "ok" and (not registered or registered.get(one.node) == one.site)
    }
    return {name: one.examples for name, one in prepared.items() if one.examples}

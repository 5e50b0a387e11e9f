"""Below its quorum a deployed run waits for sites and tries again; it neither goes on with the few nor ends at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from fedgraft.common.plan.patience_section import PatienceSection
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.patience.causes import Cause, causes, in_lines, refused_by_all
from fedgraft.server.patience.waiting import Board, Waiting

Found = TypeVar("Found")
POLL = 3.0
"""Seconds between two looks at which nodes are connected."""
SAID_EVERY = 60.0
"""Seconds between two lines of a run that waits."""
RETRY, LONGEST_RETRY = 60.0, 600.0
"""Seconds after which sites that are connected but could not answer are asked again: from time to time less often."""


class Waits(Protocol):
    """What a run does below its quorum."""

    def until_quorum(self, attempt: Callable[[], Found]) -> Found:
        """The result of an attempt that found enough sites.

        Raises:
            TooFewError: there are not enough, and nobody waits any longer.
        """

    def noticed(self, present: Collection[str]) -> None:
        """These sites are ready for a round."""


class NoPatience:
    """A simulation: whoever is away does not come because one waits."""

    def until_quorum(self, attempt: Callable[[], Found]) -> Found:
        return attempt()

    def noticed(self, present: Collection[str]) -> None:
        """Nobody is waited for."""


class Patience:
    """A deployed run: it waits for ``patience.wait`` seconds.

    Each attempt must begin at the same state, so that a repeated round asks the same of the sites.

    Args:
        expected: the names of all sites that should train.
        connected: the names of all sites that are connected.
        decided: differs once a person at a site has decided about a plan.
    """

    def __init__(
        self,
        section: PatienceSection,
        delivery: Delivery,
        ledger: Ledger,
        expected: Callable[[], Collection[str]],
        board: Board,
        connected: Callable[[], Collection[str]],
        decided: Callable[[], object] = lambda: None,
    ) -> None:
        self._section, self._delivery, self._ledger, self._decided = section, delivery, ledger, decided
        self._expected, self._connected = expected, connected
        self._board, self._clock = board, delivery.clock
        self._missing: dict[str, datetime] = {}
        self._said: float | None = None
        self._causes: Mapping[str, Cause] = {}
        board.clear()

    def noticed(self, present: Collection[str]) -> None:
        """Remembers since when others are missing."""
        self._miss(set(self._expected()) - set(present))

    def until_quorum(self, attempt: Callable[[], Found]) -> Found:
        try:
            return self._tried(attempt)
        finally:  # also if the run is stopped while it waits
            self._board.clear()

    def _tried(self, attempt: Callable[[], Found]) -> Found:
        began, since, retry = self._clock.now(), self._clock.date(), RETRY
        waited = False
        while True:
            connected, decided = self._delivery.nodes(), self._decided()
            try:
                found = attempt()
            except TooFewError as few:
                if not waited:
                    began, since = self._clock.now(), self._clock.date()
                waited = True
                end = began + self._section.wait
                self._require_hope(few)
                if self._clock.now() >= end:
                    raise _spent(few, self._section.wait) from None
                self._pause(few, since, (connected, decided), min(self._clock.now() + retry, end))
                retry = min(2 * retry, LONGEST_RETRY)
            else:
                if waited:
                    self._board.say("the quorum is there again: the run goes on")
                return found

    def _pause(self, few: TooFewError, since: datetime, before: tuple[list[int], object], until: float) -> None:
        """Wait until other nodes are connected, an answer came late, a site decided, or the time ``until``.

        Args:
            before: the nodes, and what was decided, when the sites were asked.
        """
        while self._clock.now() < until:
            self._show(few, since)
            self._clock.sleep(min(POLL, until - self._clock.now()))
            late = self._delivery.write_late(self._ledger)
            if late or (self._delivery.nodes(), self._decided()) != before:
                return

    def _show(self, few: TooFewError, since: datetime) -> None:
        self._miss({*self._expected(), *few.besides} - set(few.present))
        section, until = self._section, since + timedelta(seconds=self._section.wait)
        needed = (section.quorum_sites, section.quorum_cases)
        missing = dict(sorted(self._missing.items()))
        why = self._why(few)
        waiting = Waiting(few.number, since, until, *needed, few.present, missing, why, few.head)
        self._board.show(waiting)
        if self._said is None or why != self._causes or self._clock.now() - self._said >= SAID_EVERY:
            self._said = self._clock.now()
            self._board.say(waiting.sentence)
            new = {name: cause for name, cause in why.items() if self._causes.get(name) != cause}
            for line in in_lines(new):
                self._board.say(line)
            self._causes = why

    def _why(self, few: TooFewError) -> dict[str, Cause]:
        return causes(self._missing, self._connected(), self._ledger, few.number)

    def _require_hope(self, few: TooFewError) -> None:
        """
        Raises:
            TooFewError: before the first round, every site refuses the plan for what waiting does not change.
        """
        self._miss({*self._expected(), *few.besides} - set(few.present))
        why = refused_by_all(self._why(few), self._expected()) if few.number <= 1 else None
        if why is not None:
            raise _again(
                few, f"{few.head}; {why}: write another plan, or let them allow more in their site.yaml"
            ) from None

    def _miss(self, names: Collection[str]) -> None:
        now = self._clock.date()
        self._missing = {name: self._missing.get(name, now) for name in names}


def _spent(few: TooFewError, seconds: float) -> TooFewError:
    """The error of a run whose patience is spent."""
    return _again(few, f"{few.head}; patience.wait={seconds:g} seconds are over")


def _again(few: TooFewError, head: str) -> TooFewError:
    return TooFewError("\n".join((head, *few.others)), few.number, few.present, few.besides)

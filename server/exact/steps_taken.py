"""Noisy steps that were lost: each question costs the sites an answer of those that the run was charged with, also one
whose sum can't be read. So a step that is lost is not asked again, and the model rests on fewer."""

from __future__ import annotations

from dataclasses import dataclass

from fedgraft.common.causes import reported
from fedgraft.common.errors import PrivacySpentError
from fedgraft.server.exchange.ledger import Ledger, What
from fedgraft.server.exchange.too_few import TooFewError


class LostSumError(Exception):
    """Sites answered into a sum that can't be read: nothing was learnt of it, and it cost them an answer.

    Args:
        why: the code and the reason.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class SpentError(Exception):
    """Too few sites are left, of whom one has told all that the run was charged with: nobody waits for more."""


def require_unspent(ledger: Ledger, what: What, few: TooFewError) -> None:
    """Whether a run below its quorum may wait for sites.

    Args:
        what: was asked.

    Raises:
        SpentError: one has no such answers left.
    """
    spent = reported(PrivacySpentError.code)
    if any(one.reason.startswith(spent) for one in ledger.of(what)):
        raise SpentError from few


@dataclass(frozen=True)
class LostStep:
    """
    Attributes:
        step: its number in the run, from 1.
        why: in words.
    """

    step: int
    why: str


@dataclass(frozen=True)
class StepsTaken:
    """What became of a run's noisy steps up to the end of a round.

    Attributes:
        taken: steps that the model rests on.
        due: steps that it would rest on had none been lost.
        lost: those of this round of which that is known.
        spent: whether no more are taken, since the sites' accounts hold no more answers of this run.
        unit: what a step is called.
    """

    taken: int
    due: int
    lost: tuple[LostStep, ...] = ()
    spent: bool = False
    unit: str = "step"

    @property
    def sentence(self) -> str:
        """For the console; ``""`` if nothing was lost in this round."""
        said = [f"{self.unit} {one.step} was lost ({one.why})" for one in self.lost]
        if self.spent:
            said.append("sites' privacy accounts hold no more answers of this run (privacy-spent), and training ended")
        if not said:
            return ""
        return f"{'; '.join(said)}: the model rests on {self.taken} of {self.due} {self.unit}s"

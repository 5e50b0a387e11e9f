"""Sums that are asked for before the first round: of moments, and those from which a head is made.

Where sites are charged for them they are told once, so that too few are waited for, and only those are asked again that
told nothing. A secure sum whose masks could not be taken off is tried again with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from flwr.app import Message, RecordDict

from fedgraft.common.errors import RoundError
from fedgraft.common.wire.messages import count_bytes
from fedgraft.common.wire.summed.kind import POOLED
from fedgraft.server.exact.steps_taken import SpentError, require_unspent
from fedgraft.server.exchange.guard import Expected, Refusal
from fedgraft.server.exchange.hearing import Answer
from fedgraft.server.exchange.ledger import What
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.exchange.too_few import TooFewError, text_of
from fedgraft.server.rounds.state import RunContext
from fedgraft.server.secure.hearing import FEW

T = TypeVar("T")


@dataclass(frozen=True)
class Question(Generic[T]):
    """What is asked of each site.

    Attributes:
        content: of the message.
        kind: of the message.
        what: the ledger's word for it.
        told: what sites do that answer, for an error's text.
        read: checks an answer.
        withheld: why an answer does not hold what was asked for; ``""`` if it does.
    """

    content: RecordDict
    kind: str
    what: What
    told: str
    read: Callable[[Message | None, Expected], T | Refusal]
    withheld: Callable[[T], str]


def told_before_rounds(context: RunContext, roster: Roster, question: Question[T]) -> list[T]:
    """What the sites told; those that withhold it are left out, by name in the ledger.

    Args:
        roster: the sites to ask.

    Raises:
        TooFewError: sites are charged, and fewer told than the quorum needs; or too few stayed until a sum's end.
            A deployed run waits before.
        RoundError: the same, and it can't be asked again, since sites were charged for a sum that is lost.
    """
    good, left, present = list[T](), dict(roster), dict[str, int]()

    def attempt() -> None:
        lost = None
        for one in _asked(context, left, question):
            found = one.refused or question.read(one.reply, _expected(context, one))
            reason = "" if isinstance(found, Refusal) else question.withheld(found)
            context.ledger.write(*one.lines(0, question.what, found, count_bytes(question.content), reason))
            if isinstance(found, Refusal):
                lost = found if one.offer.site == POOLED else lost
                continue
            good.extend([] if reason else [found])
            present.update({heard.offer.site: heard.offer.examples for heard in one.sites.values()})
            for node in one.sites:
                left.pop(node)
        _require(context, question, present, lost)

    context.waits.until_quorum(attempt)
    return good


def _asked(context: RunContext, left: Roster, question: Question[T]) -> list[Answer]:
    messages = [Message(question.content, node, question.kind) for node in left]
    return context.hear(messages, left, 0, question.what)


def _expected(context: RunContext, one: Answer) -> Expected:
    return Expected(one.offer.site, context.plan.digest, 0, one.offer.examples)


def _require(context: RunContext, question: Question[T], present: dict[str, int], lost: Refusal | None) -> None:
    """
    Raises:
        TooFewError, RoundError: as `told_before_rounds`.
    """
    plan, charged = context.plan, context.plan.privacy.by_patient
    try:
        if lost is not None:
            raise _lost(context, question, present, lost)
        if charged:
            context.quorum().require(present, 0, question.told)
    except TooFewError as few:
        try:
            if charged:
                require_unspent(context.ledger, question.what, few)
        except SpentError:
            head = (
                f"{few.head}; a secure sum of this run was lost before, sites were charged for it, and what they may "
                f"tell under privacy.epsilon={plan.privacy.epsilon:g} holds no second answer (privacy-spent): the run "
                "can't go on. A new one is charged anew"
            )
            raise RoundError("\n".join((head, *few.others))) from few
        raise


def _lost(context: RunContext, question: Question[T], present: dict[str, int], lost: Refusal) -> RoundError:
    """The error of a secure sum that can't be read: with more shares it may be."""
    head = f"before round 1: the secure sum of sites that {question.told} can't be read ({lost.code}: {lost.reason})"
    text = text_of(head, context.ledger.refusals(0))
    return TooFewError(text, 0, present) if lost.code == FEW else RoundError(text)

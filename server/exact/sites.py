"""The sites in a fit: asked for their sums at given weights; one that does not answer is left out from then on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from flwr.app import Message
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.common.wire.gradient import GRADIENT, Gradient, pack_gradient_question, pack_matrices
from fedgraft.common.wire.messages import Specs
from fedgraft.common.wire.summed.kind import POOLED
from fedgraft.server.exact.fit import SiteLeftError, Sums
from fedgraft.server.exact.steps_taken import LostSumError, require_unspent
from fedgraft.server.exchange.class_counts import class_counts
from fedgraft.server.exchange.guard import Expected, Refusal, read_gradient
from fedgraft.server.exchange.hearing import Hear
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.patience.quorum import Quorum, RestedOn

Answers = dict[tuple[int, ...], Gradient]


@dataclass(frozen=True)
class Asking:
    """What all of a round's questions have in common.

    Attributes:
        number: the round's.
        specs: of the shared tensors, as the model has them.
        given: the tensors that go with a round's first question, of which no gradient is asked.
        precision: torch's name of the dtype in which the others travel.
        quorum: how many sites must tell their gradient.
        hear: how the sites are asked.
    """

    hear: Hear
    plan: Plan
    ledger: Ledger
    number: int
    specs: Specs
    given: Mapping[str, Tensor]
    precision: str
    quorum: Quorum


class Part(NamedTuple):
    """Who had a part in a round's model: names, what share of the run they are, and their evaluations of the model
    before it."""

    names: tuple[str, ...]
    rested_on: RestedOn
    evaluations: dict[str, dict[str, Evaluation]]


class _Heard(NamedTuple):
    """What came of one question.

    Attributes:
        answers: the usable ones.
        lost: why a secure sum of several sites can't be read; ``None`` if none was lost.
        answered: nodes that are spoken for in the answers and in a lost sum.
    """

    answers: Answers
    lost: Refusal | None
    answered: frozenset[int]


class SitesInFit:
    """The sites of one round's fit; called with weights it gives their `Sums`.

    The first question also asks the sites to evaluate the weights, which are the model of the round before.

    Args:
        roster: the training sites that are ready; changes as sites leave.
        evaluates: false if they were asked to evaluate, and given what goes with that, in this round before.
    """

    def __init__(self, asking: Asking, roster: Roster, evaluates: bool = True) -> None:
        self._asking, self._roster = asking, dict(roster)
        self.evaluations: dict[str, dict[str, Evaluation]] = {}
        self.has_cost = False
        """Whether an answer to the last question went into a secure sum, and so can't be told again."""
        self._is_first = evaluates

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(offer.site for offer in self._roster.values()))

    @property
    def cases(self) -> dict[str, int]:
        """Training cases by name of the sites in the fit."""
        return {offer.site: offer.examples for offer in self._roster.values()}

    @property
    def part(self) -> Part:
        """Of those in the fit."""
        return Part(self.names, self.rested_on, self.evaluations)

    @property
    def nobody(self) -> Part:
        """Of a round to which no site gave anything."""
        return Part((), self._asking.quorum.rested_on({}), {})

    @property
    def rested_on(self) -> RestedOn:
        """Of the sites and training cases of the run when the round began, those in the fit."""
        return self._asking.quorum.rested_on(self.cases)

    def __call__(self, weights: dict[str, Tensor]) -> Sums:
        """The sums over all sites of the fit.

        Raises:
            SiteLeftError: at least one of them did not answer, and is left out of the next call.
            TooFewError: fewer are left than the quorum needs.
        """
        heard = self._ask(weights)
        answered = frozenset(node for nodes in heard.answers for node in nodes)
        if self._are_missing(answered):
            raise SiteLeftError
        return _total(heard.answers.values(), weights)

    def of_those_left(self, weights: dict[str, Tensor], lost: str = "") -> Sums:
        """The sums over the sites that answer; one that does not is left out of this sum and of all later ones.

        Args:
            lost: what the ledger says beside, if a secure sum of them can't be read.

        Raises:
            LostSumError: it can't be. Those that answered stay.
            SpentError: fewer are left than the quorum needs, and a site has told all that the run was charged with.
            TooFewError: fewer are left than the quorum needs.
        """
        heard = self._ask(weights, lost)
        try:
            self._are_missing(heard.answered)
        except TooFewError as few:
            require_unspent(self._asking.ledger, "gradient", few)
            raise
        if heard.lost is not None:
            raise LostSumError(f"{heard.lost.code}: {heard.lost.reason}")
        return _total(heard.answers.values(), weights)

    def _ask(self, weights: Mapping[str, Tensor], lost: str = "") -> _Heard:
        plan, number, ledger = self._asking.plan, self._asking.number, self._asking.ledger
        counts = class_counts(plan, self._roster.values())
        precision = self._asking.precision
        given = self._asking.given if self._is_first else {}
        sent = pack_matrices(weights, precision)
        question = pack_gradient_question(sent, given, plan.digest, number, counts, self._is_first)
        asked = [Message(question, node, GRADIENT) for node in self._roster]
        answers, gone, nodes = Answers(), None, set[int]()
        for one in self._asking.hear(asked, self._roster, number, "gradient"):
            expected = Expected(one.offer.site, plan.digest, number, one.offer.examples)
            found = one.refused or read_gradient(
                one.reply, expected, self._asking.specs, precision, tasks.of(plan.data), not plan.privacy.on
            )
            is_sum = one.offer.site == POOLED
            if isinstance(found, Refusal) and is_sum:
                gone = found
                found = replace(found, reason=f"{found.reason}{lost}")
            ledger.write(*one.lines(number, "gradient", found, messages.count_bytes(question), counted=True))
            if not isinstance(found, Refusal):
                answers[tuple(one.sites)] = found
            if is_sum or not isinstance(found, Refusal):
                nodes |= set(one.sites)
        self._heard_first({found.site: found.evaluations for found in answers.values()})
        self.has_cost = plan.aggregation.secure and bool(nodes)
        return _Heard(answers, gone, frozenset(nodes))

    def _heard_first(self, evaluations: dict[str, dict[str, Evaluation]]) -> None:
        if self._is_first:
            self._is_first = False
            self.evaluations = evaluations

    def _are_missing(self, answered: frozenset[int]) -> bool:
        """Whether sites did not answer; they are left out from now on."""
        if len(answered) == len(self._roster):
            return False
        self._roster = {node: offer for node, offer in self._roster.items() if node in answered}
        self._asking.quorum.require(self.cases, self._asking.number, "told its gradient")
        return True


def _total(answers: Iterable[Gradient], names: Iterable[str]) -> Sums:
    """The answers of at least one site, added up; the loss is NaN if one did not tell it."""
    ordered = sorted(answers, key=lambda found: found.site)  # the last digits depend on the order
    gradient = {name: sum((one.tensors[name] for one in ordered[1:]), ordered[0].tensors[name]) for name in names}
    loss = sum(math.nan if one.loss is None else one.loss for one in ordered)
    return Sums(loss, gradient, sum(one.examples for one in ordered))

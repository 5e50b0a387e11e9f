"""Ask sites in a secure sum: their answers come back as one, which speaks for all of them (`Hear`).

A sum needs keys and shares, which ride on the sum before: its masked answers bring the next keys, and the question for
shares of lost sites takes them on and brings the next shares back. So a sum costs one exchange more than a plain one;
the first one, or one of other sites than before, three.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flwr.app import Message

from fedgraft.common.errors import FewSitesError, SecureError, WireError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.secure.layout import Scale, arrays_of
from fedgraft.common.secure.recovery import unmasked
from fedgraft.common.wire.messages import count_bytes
from fedgraft.common.wire.offer import Offer
from fedgraft.common.wire.summed.kind import POOLED, Asked
from fedgraft.common.wire.summed.kinds import KINDS
from fedgraft.common.wire.summed.steps import STEP, Step, Told, Unmasking, pack_step, unpack_told
from fedgraft.common.wire.summed.words import Summand, Words, unpack_words, with_summand
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.entries import entry
from fedgraft.server.exchange.guard import Refusal, content_of
from fedgraft.server.exchange.hearing import Answer, Heard
from fedgraft.server.exchange.ledger import Entry, Ledger, What
from fedgraft.server.exchange.roster import Roster, registered_still
from fedgraft.server.secure.cohort import Acquaintances, Cohort, cohort_of

FEW, BAD = "secure-few", "bad-sum"
_FEW = "too few sites stayed until the secure sum's end, so that its masks could not be taken off: nothing was learnt"
_UNSHARED = Refusal("secure", "the site gave no shares of its keys for the secure sum")
_OTHER_LAYOUT = Refusal(BAD, "its masked numbers have other names or shapes than those of most sites")


class _Question(NamedTuple):
    """A question that is summed: by place, the message and what its site had offered."""

    asked: Mapping[int, Message]
    offers: Mapping[int, Offer]
    number: int
    what: What

    @property
    def nodes(self) -> dict[int, int]:
        return {place: message.metadata.dst_node_id for place, message in self.asked.items()}

    def cases(self, places: Collection[int]) -> dict[int, int]:
        """Training cases, at least 1."""
        return {place: max(1, self.offers[place].examples) for place in sorted(places)}


@dataclass
class _Sum:
    """A sum whose masked numbers have come.

    Attributes:
        unused: by place, why a site has no part in it.
        steps: by place, the question for shares; the same whenever it is asked.
        following: the cohort of the next sum, which these questions make ready.
        told: by place, answers to them so far.
    """

    question: _Question
    cohort: Cohort
    words: Mapping[int, Words]
    heard: Mapping[int, Heard]
    unused: Mapping[int, Refusal]
    steps: Mapping[int, Step]
    following: Cohort
    told: dict[int, Told] = field(default_factory=dict)

    def is_asked(self, messages: Sequence[Message], number: int, what: What) -> bool:
        """Whether a question is this one again."""
        own = {one.metadata.dst_node_id: one.content for one in self.question.asked.values()}
        same = {one.metadata.dst_node_id: one.content for one in messages} == own
        return same and (number, what) == (self.question.number, self.question.what)


class SecureHearing:
    """A `Hear` whose answers come as one, of all sites that stayed.

    Before the first round, if too few sites stayed until a sum's end and the same is asked again, those that have not
    are asked for their shares again: the sum is the one that they gave their numbers to, and costs nothing more.

    Args:
        registered: names by node id; empty for a simulation.
    """

    def __init__(self, delivery: Delivery, plan: Plan, ledger: Ledger, registered: Mapping[int, str]) -> None:
        self._delivery, self._plan, self._ledger, self._registered = delivery, plan, ledger, registered
        self._run = secrets.token_hex(8)
        self._known, self._number = Acquaintances(), 0
        self._next: Cohort | None = None
        self._open: _Sum | None = None

    def __call__(self, messages: Sequence[Message], roster: Roster, number: int, what: What) -> list[Answer]:
        begun, self._open = self._open, None
        if begun is None or not begun.is_asked(messages, number, what):
            begun = self._begun(messages, roster, number, what)
        nodes = begun.question.nodes
        silent = [place for place in begun.heard if place not in begun.words]
        found = [
            Answer(one.offer, one.reply, {nodes[place]: one}, begun.unused[place])
            for place, one in ((place, begun.heard[place]) for place in silent)
        ]
        if not begun.words:
            return found
        self._unmask(begun)
        pooled = self._pooled(begun)
        if number == 0 and pooled.refused is not None and pooled.refused.code == FEW:
            self._open = begun
        return [*found, pooled]

    def _begun(self, messages: Sequence[Message], roster: Roster, number: int, what: What) -> _Sum:
        """Have sites share their secrets, and ask them the question."""
        asked = {self._known.place_of(one.metadata.dst_node_id): one for one in messages}
        offers = {place: roster[one.metadata.dst_node_id] for place, one in asked.items()}
        question = _Question(asked, offers, number, what)
        cohort, troubles = self._cohort(question)
        words, replies, more = self._words(cohort, question)
        heard = {place: Heard(offers[place], replies.get(place)) for place in sorted(asked)}
        unused = {**dict.fromkeys(asked, _UNSHARED), **troubles, **more}
        following = self._new_cohort({place: one.mask_key for place, one in words.items()}) if words else cohort
        return _Sum(question, cohort, words, heard, unused, self._unmasking(cohort, words, following), following)

    def _cohort(self, question: _Question) -> tuple[Cohort, dict[int, Refusal]]:
        """The sum's cohort: as it was made ready with the sum before, or anew; and why others have no part."""
        ready, self._next = self._next, None
        if ready is not None and ready.places == set(question.asked):
            return ready, {}
        told, troubles = self._ask({place: self._step(key=True) for place in question.asked}, question)
        for place, one in told.items():
            if one.card is not None:
                self._known.keep(place, one.card)
        keys = {place: one.mask_key for place, one in told.items() if one.mask_key and place in self._known.cards}
        cohort = self._new_cohort(keys)
        shared, more = self._ask(self._sharing(cohort), question)
        return self._with_shares(cohort, shared), {**troubles, **more}

    def _new_cohort(self, keys: Mapping[int, bytes]) -> Cohort:
        self._number += 1
        return cohort_of(self._number, keys, self._plan.aggregation.threshold, self._run.encode())

    def _sharing(self, cohort: Cohort) -> dict[int, Step]:
        """The step by which each site of a cohort shares its secrets; none if there is nobody to share them with."""
        if len(cohort.mask_keys) < 2:
            return {}
        return {
            place: self._step(cards=self._known.new_to(place, near), around=cohort.around(place))
            for place, near in cohort.near.items()
        }

    def _with_shares(self, cohort: Cohort, told: Mapping[int, Told]) -> Cohort:
        sealed = {}
        for place, one in told.items():
            if place in cohort.near and one.sealed is not None and set(one.sealed) == set(cohort.near[place]):
                sealed[place] = one.sealed
                self._known.were_told(place, cohort.near[place])
        return replace(cohort, sealed=sealed)

    def _step(self, **what: object) -> Step:
        return replace(Step(self._plan.digest, self._run), **what)  # type: ignore[arg-type]

    def _ask(self, steps: Mapping[int, Step], question: _Question) -> tuple[dict[int, Told], dict[int, Refusal]]:
        """Ask sites to take steps; what they told, and why others did not. Writes the ledger."""
        nodes, contents = question.nodes, {place: pack_step(step) for place, step in steps.items()}
        sent = [Message(content, nodes[place], STEP) for place, content in contents.items()]
        replies = self._delivery.exchange(sent, question.number, "secure") if sent else {}
        told: dict[int, Told] = {}
        troubles: dict[int, Refusal] = {}
        entries: list[Entry] = []
        for place, content in contents.items():
            node, offer = nodes[place], question.offers[place]
            found, down = self._told(replies[node], offer), count_bytes(content)
            entries.append(entry(question.number, "secure", offer.site, node, found, down, replies[node]))
            if isinstance(found, Refusal):
                troubles[place] = found
            else:
                told[place] = found
        self._ledger.write(*entries)
        return told, troubles

    @staticmethod
    def _told(reply: Message | None, offer: Offer) -> Told | Refusal:
        content = content_of(reply)
        if isinstance(content, Refusal):
            return content
        try:
            told = unpack_told(content)
        except WireError as error:
            return Refusal(BAD, str(error))
        return told if told.site == offer.site else Refusal("wrong-site", f"it is not {offer.site} that answers")

    def _words(
        self, cohort: Cohort, question: _Question
    ) -> tuple[dict[int, Words], dict[int, Message | None], dict[int, Refusal]]:
        """Ask the question; the masked answers of one layout, all replies, and why others are not used."""
        nodes, cases, sent = question.nodes, question.cases(cohort.places), []
        for place, own in cases.items():
            summand = Summand(self._run, cohort.number, own, sum(cases.values()), cohort.arrived(place))
            message = question.asked[place]
            content = with_summand(message.content, summand)
            sent.append(Message(content, nodes[place], message.metadata.message_type))
        replies = self._delivery.exchange(sent, question.number, question.what) if sent else {}
        read = {place: self._read(replies[nodes[place]], question.offers[place], nodes[place]) for place in cases}
        words = {place: one for place, one in read.items() if isinstance(one, Words)}
        troubles = {place: one for place, one in read.items() if isinstance(one, Refusal)}
        usual = Counter(one.parts for one in words.values()).most_common(1)
        troubles |= {place: _OTHER_LAYOUT for place, one in words.items() if one.parts != usual[0][0]}
        used = {place: one for place, one in words.items() if place not in troubles}
        return used, {place: replies[nodes[place]] for place in cases}, troubles

    def _read(self, reply: Message | None, offer: Offer, node: int) -> Words | Refusal:
        content = content_of(reply)
        if isinstance(content, Refusal):
            return content
        if gone := registered_still(node, self._registered):
            return gone
        try:
            words = unpack_words(content)
        except WireError as error:
            return Refusal(BAD, str(error))
        if (words.site, words.plan) != (offer.site, self._plan.digest):
            return Refusal("wrong-site", f"the reply comes under another name than {offer.site}, or of another plan")
        return words

    def _unmasking(self, cohort: Cohort, words: Mapping[int, Words], following: Cohort) -> dict[int, Step]:
        """The questions for shares to the sites that answered, which make the next sum ready."""
        sharing, steps = self._sharing(following) if words else {}, {}
        for place in words:
            part = cohort.around_with_part(place)
            unmasking = Unmasking(cohort.number, tuple(sorted(part & set(words))), tuple(sorted(part - set(words))))
            steps[place] = replace(sharing.get(place, self._step()), unmasking=unmasking)
        return steps

    def _unmask(self, begun: _Sum) -> None:
        """Ask the sites that have not told their shares."""
        missing = {place: step for place, step in begun.steps.items() if place not in begun.told}
        told, _ = self._ask(missing, begun.question)
        begun.told.update(told)
        self._next = self._with_shares(begun.following, begun.told)

    def _pooled(self, begun: _Sum) -> Answer:
        """The sum, as the answer of one site."""
        question, cohort, words, told = begun.question, begun.cohort, begun.words, begun.told
        nodes = question.nodes
        spoken = {nodes[place]: one for place, one in begun.heard.items() if place in words}
        offer = Offer(POOLED, self._plan.digest, True, sum(one.offer.examples for one in spoken.values()), None)
        message = question.asked[next(iter(words))]
        kind, asked = KINDS[message.metadata.message_type], Asked(message.content, self._plan)
        scale = Scale(sum(question.cases(cohort.places).values()), self._plan.aggregation.range)
        vectors, parts = {place: one.vector for place, one in words.items()}, next(iter(words.values())).parts
        shares = {place: one.shares for place, one in told.items() if one.shares is not None}
        try:
            total = arrays_of(unmasked(cohort.sum(self._run), vectors, shares), parts, scale)
            return Answer(offer, Message(kind.answer(total, asked), reply_to=message), spoken)
        except FewSitesError:
            return Answer(offer, None, spoken, Refusal(FEW, _FEW))
        except (SecureError, WireError, KeyError, ValueError) as error:
            return Answer(offer, None, spoken, Refusal(BAD, f"the secure sum can't be read: {error}"))

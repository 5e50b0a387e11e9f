"""Ask sites in a secure sum: their answers come back as one, which speaks for all of them (`Hear`).

A sum needs keys and shares, which ride on the sum before: its masked answers bring the next keys, and the question for
shares of lost sites takes them on and brings the next shares back. So a sum costs one exchange more than a plain one;
the first one, or one of other sites than before, three.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from flwr.app import Message, RecordDict

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
from fedgraft.server.exchange.guard import Refusal, content_of
from fedgraft.server.exchange.hearing import Answer, Heard
from fedgraft.server.exchange.ledger import Entry, Ledger, What, entry
from fedgraft.server.exchange.roster import Roster, registered_still
from fedgraft.server.secure.cohort import Acquaintances, Cohort, cohort_of

FEW, BAD = "secure-few", "bad-sum"
_FEW = "too few sites stayed until the secure sum's end, so that its masks could not be taken off: nothing was learnt"
_UNSHARED = "the site gave no shares of its keys for the secure sum"


class SecureHearing:
    """A `Hear` whose answers come as one, of all sites that stayed.

    Args:
        registered: names by node id; empty for a simulation.
    """

    def __init__(self, delivery: Delivery, plan: Plan, ledger: Ledger, registered: Mapping[int, str]) -> None:
        self._delivery, self._plan, self._ledger, self._registered = delivery, plan, ledger, registered
        self._run = secrets.token_hex(8)
        self._known, self._number = Acquaintances(), 0
        self._next: Cohort | None = None

    def __call__(self, messages: Sequence[Message], roster: Roster, number: int, what: What) -> list[Answer]:
        asked = {self._known.place_of(one.metadata.dst_node_id): one for one in messages}
        cohort, troubles = self._cohort(asked, roster, number)
        words, replies = self._words(cohort, asked, roster, number, what, troubles)
        told = self._unmask(cohort, words, asked, roster, number)
        return self._answers(cohort, words, told, asked, roster, replies, troubles)

    def _cohort(self, asked: Mapping[int, Message], roster: Roster, number: int) -> tuple[Cohort, dict[int, Refusal]]:
        """The sum's cohort: as it was made ready with the sum before, or anew; and why others have no part."""
        ready, self._next = self._next, None
        if ready is not None and ready.places == set(asked):
            return ready, {}
        steps = {place: self._step(key=True) for place in asked}
        told, troubles = self._ask(steps, asked, roster, number)
        keys = {place: one.mask_key for place, one in told.items() if one.mask_key is not None}
        for place, one in told.items():
            if one.card is not None:
                self._known.keep(place, one.card)
        keys = {place: key for place, key in keys.items() if place in self._known.cards}
        cohort = self._new_cohort(keys)
        shared, more = self._ask(self._sharing(cohort), asked, roster, number)
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

    def _ask(
        self, steps: Mapping[int, Step], asked: Mapping[int, Message], roster: Roster, number: int
    ) -> tuple[dict[int, Told], dict[int, Refusal]]:
        """Ask sites to take steps; what they told, and why others did not. Writes the ledger."""
        nodes = {place: asked[place].metadata.dst_node_id for place in steps}
        contents = {place: pack_step(step) for place, step in steps.items()}
        sent = [Message(contents[place], nodes[place], STEP) for place in steps]
        replies = self._delivery.exchange(sent, number, "secure") if sent else {}
        told: dict[int, Told] = {}
        troubles: dict[int, Refusal] = {}
        entries: list[Entry] = []
        for place, node in nodes.items():
            offer, found = roster[node], self._told(replies[node], roster[node])
            down = count_bytes(contents[place])
            entries.append(entry(number, "secure", offer.site, node, found, down, replies[node]))
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
        self,
        cohort: Cohort,
        asked: Mapping[int, Message],
        roster: Roster,
        number: int,
        what: What,
        troubles: dict[int, Refusal],
    ) -> tuple[dict[int, Words], dict[int, Message | None]]:
        """Ask the question; the masked answers of one layout, and all replies. Adds to ``troubles``."""
        nodes = {place: asked[place].metadata.dst_node_id for place in sorted(cohort.places)}
        cases = {place: max(1, roster[node].examples) for place, node in nodes.items()}
        total, sent = sum(cases.values()), []
        for place, node in nodes.items():
            summand = Summand(self._run, cohort.number, cases[place], total, cohort.arrived(place))
            sent.append(Message(with_summand(asked[place].content, summand), node, asked[place].metadata.message_type))
        replies = self._delivery.exchange(sent, number, what) if sent else {}
        words: dict[int, Words] = {}
        for place, node in nodes.items():
            found = self._read(replies[node], roster[node], node)
            if isinstance(found, Refusal):
                troubles[place] = found
            else:
                words[place] = found
        usual = Counter(one.parts for one in words.values()).most_common(1)
        for place in [place for place, one in words.items() if one.parts != usual[0][0]]:
            troubles[place] = Refusal(BAD, "its masked numbers have other names or shapes than those of other sites")
            del words[place]
        return words, {place: replies[node] for place, node in nodes.items()}

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

    def _unmask(
        self, cohort: Cohort, words: Mapping[int, Words], asked: Mapping[int, Message], roster: Roster, number: int
    ) -> dict[int, Told]:
        """Ask the sites that answered for shares, and to make the next sum ready."""
        if not words:
            return {}
        following = self._new_cohort({place: one.mask_key for place, one in words.items()})
        sharing, steps = self._sharing(following), {}
        for place in words:
            part = cohort.around_with_part(place)
            answered, lost = sorted(part & set(words)), sorted(part - set(words))
            unmasking = Unmasking(cohort.number, tuple(answered), tuple(lost))
            steps[place] = replace(sharing.get(place, self._step()), unmasking=unmasking)
        told, _ = self._ask(steps, asked, roster, number)
        self._next = self._with_shares(following, told)
        return told

    def _answers(
        self,
        cohort: Cohort,
        words: Mapping[int, Words],
        told: Mapping[int, Told],
        asked: Mapping[int, Message],
        roster: Roster,
        replies: Mapping[int, Message | None],
        troubles: Mapping[int, Refusal],
    ) -> list[Answer]:
        heard = {
            place: Heard(roster[one.metadata.dst_node_id], replies.get(place)) for place, one in sorted(asked.items())
        }
        nodes = {place: one.metadata.dst_node_id for place, one in asked.items()}
        unused = Refusal("secure", _UNSHARED)
        found = [
            Answer(one.offer, one.reply, {nodes[place]: one}, troubles.get(place, unused))
            for place, one in heard.items()
            if place not in words
        ]
        if not words:
            return found
        spoken = {nodes[place]: heard[place] for place in heard if place in words}
        offer = Offer(POOLED, self._plan.digest, True, sum(one.offer.examples for one in spoken.values()), None)
        pooled = self._pooled(cohort, words, told, next(asked[place] for place in words), roster)
        if isinstance(pooled, Refusal):
            return [*found, Answer(offer, None, spoken, pooled)]
        return [*found, Answer(offer, Message(pooled, reply_to=asked[next(iter(words))]), spoken)]

    def _pooled(
        self,
        cohort: Cohort,
        words: Mapping[int, Words],
        told: Mapping[int, Told],
        question: Message,
        roster: Roster,
    ) -> RecordDict | Refusal:
        """The sum, as the answer of one site."""
        shares = {place: one.shares for place, one in told.items() if one.shares is not None}
        total = sum(
            max(1, roster[node].examples) for node, place in self._known.places.items() if place in cohort.places
        )
        kind, asked = KINDS[question.metadata.message_type], Asked(question.content, self._plan)
        try:
            vector = unmasked(cohort.sum(self._run), {place: one.vector for place, one in words.items()}, shares)
            parts = next(iter(words.values())).parts
            return kind.answer(arrays_of(vector, parts, Scale(total, self._plan.aggregation.range)), asked)
        except FewSitesError:
            return Refusal(FEW, _FEW)
        except (SecureError, WireError, KeyError, ValueError) as error:
            return Refusal(BAD, f"the secure sum can't be read: {error}")

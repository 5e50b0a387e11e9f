"""``query.secure``: a step of secure aggregation besides the question that is summed; packed and unpacked.

It asks a site for any of: a key for the next sum, shares of its secrets for the other sites of a sum, and the shares
that it holds of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.records import config_of, count_of, text_of
from fedgraft.common.secure.circle import Card
from fedgraft.common.secure.keys import KEY_BYTES
from fedgraft.common.secure.member import SEALED_BYTES
from fedgraft.common.secure.shamir import SHARE_BYTES
from fedgraft.common.wire.messages import SITE
from fedgraft.common.wire.summed.places import SECURE, by_place, joined, key_of, pack_places, read_places

STEP = "query.secure"


@dataclass(frozen=True)
class Around:
    """A site and the others of a sum, as it is told: by place, each other's key for the sum."""

    number: int
    place: int
    threshold: int
    mask_keys: Mapping[int, bytes]


@dataclass(frozen=True)
class Unmasking:
    """Of which sites of a sum shares are asked: of the seeds of those that answered, and the keys of those lost."""

    number: int
    answered: tuple[int, ...]
    lost: tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """What a ``query.secure`` message asks.

    Attributes:
        plan: the digest of the plan.
        run: by which the coordinator calls the run, in all that is signed and derived.
        key: whether a key for the next sum is asked for.
        cards: of other sites, by place, that this one was not told of yet.
    """

    plan: str
    run: str
    unmasking: Unmasking | None = None
    key: bool = False
    cards: Mapping[int, Card] | None = None
    around: Around | None = None


@dataclass(frozen=True)
class Told:
    """A site's answer to a `Step`, by what was asked: shares and what it sealed by place."""

    site: str
    shares: Mapping[int, bytes] | None = None
    mask_key: bytes | None = None
    card: Card | None = None
    sealed: Mapping[int, bytes] | None = None


def pack_step(step: Step) -> RecordDict:
    """The content of a ``query.secure`` message."""
    record = ConfigRecord({"plan": step.plan, "run": step.run, "key": step.key})
    if step.unmasking is not None:
        record["unmask"] = step.unmasking.number
        record["answered"], record["lost"] = pack_places(step.unmasking.answered), pack_places(step.unmasking.lost)
    if step.cards:
        cards = [step.cards[place] for place in sorted(step.cards)]
        record["card-places"] = pack_places(sorted(step.cards))
        record["card-names"] = [card.name for card in cards]
        for name in ("public", "registered", "signature"):
            record[f"card-{name}"] = [getattr(card, name) for card in cards]
    if step.around is not None:
        around, places = step.around, sorted(step.around.mask_keys)
        record["number"], record["place"], record["threshold"] = around.number, around.place, around.threshold
        record["places"] = pack_places(places)
        record["mask-keys"] = b"".join(around.mask_keys[place] for place in places)
    return RecordDict({SECURE: record})


def unpack_step(content: RecordDict) -> Step:
    """Read what is asked.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    record = config_of(content, SECURE)
    unmasking = around = None
    if "unmask" in record:
        unmasking = Unmasking(count_of(record, "unmask"), read_places(record, "answered"), read_places(record, "lost"))
    if "number" in record:
        number, place, threshold = (count_of(record, name) for name in ("number", "place", "threshold"))
        around = Around(number, place, threshold, by_place(record, "places", "mask-keys", KEY_BYTES))
    cards = _read_cards(record) if "card-places" in record else None
    return Step(text_of(record, "plan"), text_of(record, "run"), unmasking, record.get("key") is True, cards, around)


def pack_told(told: Told) -> RecordDict:
    """The content of a reply to ``query.secure``."""
    record = ConfigRecord()
    if told.shares is not None:
        record.update(joined("shares", told.shares))
    if told.mask_key is not None:
        record["mask-key"] = told.mask_key
    if told.card is not None:
        record["card"] = [told.card.public, told.card.registered, told.card.signature]
    if told.sealed is not None:
        record.update(joined("sealed", told.sealed))
    return RecordDict({SITE: ConfigRecord({"name": told.site}), SECURE: record})


def unpack_told(content: RecordDict) -> Told:
    """Read a site's answer.

    Raises:
        WireError: a key is missing or ill-typed.
    """
    site, record = text_of(config_of(content, SITE), "name"), config_of(content, SECURE)
    card = None
    if "card" in record:
        public, registered, signature = _column(record, "card", 3)
        card = Card(site, public, registered, signature)
    shares = by_place(record, "shares-of", "shares", SHARE_BYTES) if "shares" in record else None
    sealed = by_place(record, "sealed-of", "sealed", SEALED_BYTES) if "sealed" in record else None
    return Told(site, shares, key_of(record) if "mask-key" in record else None, card, sealed)


def _read_cards(record: ConfigRecord) -> dict[int, Card]:
    places, names = read_places(record, "card-places"), record.get("card-names")
    if not isinstance(names, list) or len(names) != len(places) or not all(isinstance(name, str) for name in names):
        raise WireError("cards of sites can't be read")
    public, registered, signature = (
        _column(record, f"card-{name}", len(places)) for name in ("public", "registered", "signature")
    )
    cards = zip(places, names, public, registered, signature, strict=True)
    return {place: Card(str(name), *values) for place, name, *values in cards}


def _column(record: ConfigRecord, name: str, length: int) -> list[bytes]:
    values = record.get(name)
    if not isinstance(values, list) or len(values) != length:
        raise WireError("cards of sites can't be read")
    found = [value for value in values if isinstance(value, bytes)]
    if len(found) < length:
        raise WireError("cards of sites can't be read")
    return found

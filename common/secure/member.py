"""One site's part in secure sums: what it remembers in a run, and each of its four steps.

`new_keys` -> the site's key for the next sum. `shares_for` -> shares of its secrets, sealed for each peer. `mask` ->
its masked vector; its own secrets of the sum are then forgotten. `unmask` -> the shares that it holds of others: for
each site either of its own mask's seed, if it answered, or of its key, if it was lost, and never both; once in a sum.
A step takes what the site remembers and returns what it remembers next, which must be kept before the answer leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fedgraft.common.errors import SecureError, UnknownSiteError
from fedgraft.common.secure import keys, shamir
from fedgraft.common.secure.circle import Card, Circle, Peer, require_introduced, require_many, require_sound
from fedgraft.common.secure.masks import Vector, masked

SEALED_BYTES = 2 * shamir.SHARE_BYTES + keys.TAG_BYTES
"""Of what one site seals for another."""


@dataclass(frozen=True)
class Secrets:
    """A site's own of one sum.

    Attributes:
        key, public: X25519; with others' public ones it gives the masks that are shared with them.
        seed: of the mask that is its own.
    """

    key: bytes = field(repr=False)
    public: bytes
    seed: bytes = field(repr=False)


@dataclass(frozen=True)
class Ready:
    """A sum for which shares were given away: the circle, the secrets, and the shares that the site keeps of its own
    (of the seed, and of the key)."""

    circle: Circle
    secrets: Secrets
    kept: tuple[bytes, bytes] = field(repr=False)


@dataclass(frozen=True)
class Masked:
    """A sum for which the site has sent its masked vector, and not yet helped to take masks off.

    Attributes:
        held: by place of each site whose mask is in the vector, itself included: a share of its seed, and of its key.
    """

    number: int
    place: int
    threshold: int
    held: Mapping[int, tuple[bytes, bytes]] = field(repr=False)


@dataclass(frozen=True)
class Member:
    """What a site remembers in a run.

    Attributes:
        private: its X25519 key for the run.
        cards: of other sites, by place, as they were introduced.
        channels: by each other site's key for the run, the keys that seal what goes to it, and what comes from it.
        fresh: secrets of a sum that is to come.
        last: the largest number of a sum for which shares were given away; later ones have larger numbers.
    """

    run: str
    name: str
    private: bytes = field(repr=False)
    cards: Mapping[int, Card] = field(default_factory=dict)
    channels: Mapping[bytes, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)
    fresh: Secrets | None = None
    ready: Ready | None = None
    masked: Masked | None = None
    last: int = 0


def begin(run: str, name: str) -> Member:
    """A site at the beginning of a run, with a new key."""
    return Member(run, name, keys.new_secret())


def new_keys(member: Member) -> tuple[Member, bytes]:
    """New secrets for the next sum, and the public key among them."""
    key = keys.new_secret()
    secrets = Secrets(key, keys.public_of(key), keys.new_secret())
    return replace(member, fresh=secrets), secrets.public


def introduced(member: Member, cards: Mapping[int, Card], known: Collection[bytes]) -> Member:
    """With the cards of other sites, by place, and without older ones of the same registered keys.

    Raises:
        UnknownSiteError: as `require_introduced`.
    """
    require_introduced(list(cards.values()), member.run, known)
    again = {card.registered for card in cards.values()}
    kept = {place: card for place, card in member.cards.items() if card.registered not in again}
    new = [card for card in cards.values() if card.public not in member.channels]
    secrets = keys.agreed(member.private, [card.public for card in new])
    channels = {card.public: _channel(member, card.name, one) for card, one in zip(new, secrets, strict=True)}
    return replace(member, cards={**kept, **cards}, channels={**member.channels, **channels})


def circle_of(member: Member, number: int, place: int, threshold: int, mask_keys: Mapping[int, bytes]) -> Circle:
    """The circle of a sum, of sites that were introduced.

    Args:
        mask_keys: by place, the others' keys for this sum.

    Raises:
        UnknownSiteError: there is no card of a place.
    """
    peers = []
    for other, mask_key in sorted(mask_keys.items()):
        card = member.cards.get(other)
        if card is None:
            raise UnknownSiteError(f"the site with place {other} of a secure sum was not introduced to this one")
        peers.append(Peer(other, card.name, card.public, mask_key))
    return Circle(member.run, number, place, threshold, tuple(peers))


def shares_for(member: Member, circle: Circle, at_least: int) -> tuple[Member, dict[int, bytes]]:
    """Share the secrets of a sum; by place of each peer, what is sealed for it.

    Args:
        at_least: the fewest sites, itself included, that this site sums over.

    Raises:
        SecureError: there are no new keys, the number is not a later one, or as `require_sound`.
        FewSitesError: as `require_sound`.
    """
    if member.fresh is None or circle.number <= member.last:
        raise SecureError(
            f"secure sum {circle.number}: this site has no new keys for it; it must be asked for keys first"
        )
    require_sound(circle, member.name, at_least)
    secrets, holders = member.fresh, circle.holders
    made = shamir.share((secrets.seed, secrets.key), [place + 1 for place in holders], circle.threshold)
    shares = {
        place: (one[0].tobytes(), one[1].tobytes()) for place, one in zip(holders, made.astype("<u4"), strict=True)
    }
    sent, start = {}, _about(circle)
    for peer in circle.peers:
        about, (out, _) = start + _way(member.name, peer.name, secrets.public), member.channels[peer.public]
        sent[peer.place] = keys.sealed(out, circle.number, b"".join(shares[peer.place]), about)
    ready = Ready(circle, secrets, shares[circle.place])
    return replace(member, fresh=None, ready=ready, last=circle.number), sent


def mask(
    member: Member, number: int, vector: Vector, arrived: Mapping[int, bytes], at_least: int
) -> tuple[Member, Vector]:
    """Mask a vector, once for each sum.

    Args:
        arrived: by place of each peer that gave shares away, what it sealed for this site. The others have no part in
            the sum any more.

    Raises:
        SecureError: no shares were given away for this sum, or it was masked already; what came was changed.
        FewSitesError: too few sites have a part in it.
    """
    ready = member.ready
    if ready is None or ready.circle.number != number:
        raise SecureError(
            f"secure sum {number}: this site gave no shares away for it, or has masked its numbers already"
        )
    circle = ready.circle
    peers = [peer for peer in circle.peers if peer.place in arrived]
    require_many(len(peers) + 1, max(at_least, circle.threshold), "have a part")
    held, start = {circle.place: ready.kept}, _about(circle)
    for peer in peers:
        about = start + _way(peer.name, member.name, peer.mask_key)
        opened = keys.opened(member.channels[peer.public][1], number, arrived[peer.place], about)
        held[peer.place] = (opened[: shamir.SHARE_BYTES], opened[shamir.SHARE_BYTES :])
    seeds = pair_seeds(ready.secrets.key, [peer.mask_key for peer in peers], circle.run, number)
    added = [seed for peer, seed in zip(peers, seeds, strict=True) if circle.place < peer.place]
    taken = [seed for peer, seed in zip(peers, seeds, strict=True) if circle.place > peer.place]
    sent = masked(vector, ready.secrets.seed, added, taken)
    return replace(member, ready=None, masked=Masked(number, circle.place, circle.threshold, held)), sent


def unmask(
    member: Member, number: int, answered: Collection[int], lost: Collection[int], at_least: int
) -> tuple[Member, dict[int, bytes]]:
    """The shares that this site holds: of the seed of each site that answered, and of the key of each that was lost.

    Args:
        answered, lost: places of all sites of the circle that have a part in the sum, itself included.

    Raises:
        SecureError: this sum was not masked here, or its masks were asked for already; a site is named in both lists,
            or in none.
        FewSitesError: the sum would be over too few sites.
    """
    here = member.masked
    if here is None or here.number != number:
        raise SecureError(
            f"secure sum {number}: this site has helped to take its masks off already, or has no part in it"
        )
    if set(answered) & set(lost) or set(answered) | set(lost) != set(here.held) or here.place not in answered:
        raise SecureError(
            f"secure sum {number}: each site must be named once, as one that answered or as one that was lost; both "
            "kinds of shares of one site would give its numbers away"
        )
    require_many(len(set(answered)), max(at_least, here.threshold), "answered")
    shares = {place: here.held[place][0] for place in answered} | {place: here.held[place][1] for place in lost}
    return replace(member, masked=None), shares


def pair_seeds(private: bytes, publics: Sequence[bytes], run: str, number: int) -> list[bytes]:
    """The seeds of the masks that a site shares with the holders of these public keys, in one sum."""
    about = b"fedgraft mask|" + run.encode() + b"|" + str(number).encode()
    return [keys.derived(secret, about) for secret in keys.agreed(private, publics)]


def share_of(content: bytes) -> shamir.Shares:
    """A share as it travels -> ``(LIMBS,)``.

    Raises:
        SecureError: it has another length.
    """
    if len(content) != shamir.SHARE_BYTES:
        raise SecureError(f"a share must have {shamir.SHARE_BYTES} bytes")
    return np.frombuffer(content, "<u4")


def _channel(member: Member, other: str, secret: bytes) -> tuple[bytes, bytes]:
    """The keys that seal what goes to another site in this run, and what comes from it."""
    ways = ((member.name, other), (other, member.name))
    out, back = (keys.derived(secret, "|".join(("fedgraft share", member.run, *way)).encode()) for way in ways)
    return out, back


def _about(circle: Circle) -> bytes:
    """The beginning of what is authenticated with a share."""
    return f"{circle.run}|{circle.number}|{circle.threshold}|".encode()


def _way(sender: str, receiver: str, mask_key: bytes) -> bytes:
    """The rest: so no site can be told another key of its peer than the peer's own."""
    return f"{sender}|{receiver}|".encode() + mask_key

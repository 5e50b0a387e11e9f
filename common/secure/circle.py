"""What a site is told of a sum that it is to take part in: with whom it shares masks, and how many must stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fedgraft.common.errors import FewSitesError, SecureError, UnknownSiteError
from fedgraft.common.secure.keys import KEY_BYTES, is_signed


@dataclass(frozen=True)
class Card:
    """By which a site introduces itself to the others of a run.

    Attributes:
        public: its X25519 key for the run, by which shares are sealed for it.
        registered: its registered public key (OpenSSH's format, without a comment).
        signature: by the registered key, under the run, the name and ``public``.
    """

    name: str
    public: bytes
    registered: bytes
    signature: bytes


class Peer(NamedTuple):
    """A site with which this one shares masks in one sum.

    Attributes:
        place: in the order of the sum's sites, from 0.
        public: as `Card.public`.
        mask_key: its X25519 key for this sum alone, from which the masks that both share are made.
    """

    place: int
    name: str
    public: bytes
    mask_key: bytes


@dataclass(frozen=True)
class Circle:
    """A site and those with which it shares masks, in the sum ``number`` of a run.

    Attributes:
        threshold: how many of them (itself included) must help to restore a secret of one of them.
    """

    run: str
    number: int
    place: int
    threshold: int
    peers: tuple[Peer, ...]

    @property
    def holders(self) -> tuple[int, ...]:
        """The places of all, itself included, ascending: each holds a share of its secrets."""
        return tuple(sorted((self.place, *(peer.place for peer in self.peers))))


def require_sound(circle: Circle, own: str, at_least: int) -> None:
    """Check what a coordinator told of a sum, before any secret is shared.

    Raises:
        SecureError: two sites have the same place, name or key, or the threshold is not above half.
        FewSitesError: they are fewer than the site asks for, or than the threshold.
    """
    holders, peers = circle.holders, circle.peers
    different = (
        {peer.name for peer in peers} | {own},
        set(holders),
        {peer.public for peer in peers} | {b""},
        {peer.mask_key for peer in peers} | {b""},
    )
    if any(len(some) != len(holders) for some in different) or min(holders) < 0:
        raise SecureError("two sites of a secure sum have the same place, name or key")
    if any(len(key) != KEY_BYTES for peer in peers for key in (peer.public, peer.mask_key)):
        raise SecureError(f"a public key must have {KEY_BYTES} bytes")
    require_many(len(holders), at_least, "would take part")
    if not len(holders) < 2 * circle.threshold <= 2 * len(holders):
        raise SecureError(
            f"a threshold of {circle.threshold} of {len(holders)} sites is not above half of them, so that two groups "
            "could restore different secrets"
        )


def require_many(sites: int, at_least: int, what: str) -> None:
    """
    Args:
        sites: of the sum, this one included.
        at_least: as the site's file says (``secure.at_least``), or the threshold.
        what: these sites did, for the error's text.

    Raises:
        FewSitesError: they are fewer.
    """
    if sites < at_least:
        raise FewSitesError(f"{sites} site(s) {what} in a secure sum, and {at_least} are needed (secure.at_least)")


def require_introduced(cards: Sequence[Card], run: str, known: Collection[bytes]) -> None:
    """Check the cards of other sites.

    Args:
        known: registered public keys that this site knows from elsewhere; empty: it takes the coordinator's word.

    Raises:
        UnknownSiteError: a card is not signed by its registered key, that key is not known, or two have the same.
    """
    if len({card.registered for card in cards}) < len(cards):
        raise UnknownSiteError("two sites of a secure sum have the same registered key")
    for card in cards:
        if known and card.registered not in known:
            raise UnknownSiteError(f"the registered key of {card.name!r} is not in this site's secure.known")
        if not is_signed(card.registered, card.signature, run, card.name, card.public):
            raise UnknownSiteError(f"the key of {card.name!r} for this run is not signed by its registered key")

"""Sites and a coordinator of secure sums without messages, for tests: who is lost at which step is up to the test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedgraft.common.secure import keys
from fedgraft.common.secure.circle import Card, Circle
from fedgraft.common.secure.masks import Vector
from fedgraft.common.secure.member import Member, begin, circle_of, introduced, mask, new_keys, shares_for, unmask
from fedgraft.common.secure.neighbours import default_share, neighbours_of, threshold_of
from fedgraft.common.secure.recovery import Sum, unmasked

RUN = "7"


@cache
def registered(name: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A site's registered key pair; the public half as OpenSSH writes it."""
    key = ec.generate_private_key(ec.SECP384R1())
    return key, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def card_of(member: Member) -> Card:
    key, public = registered(member.name)
    own = keys.public_of(member.private)
    return Card(member.name, own, public, keys.signed(key, member.run, member.name, own))


@dataclass
class Federation:
    """Members by place; `masked` holds what the coordinator got from each site."""

    sites: int
    members: list[Member] = field(default_factory=list)
    masked: dict[int, Vector] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = [begin(RUN, f"site-{place}") for place in range(self.sites)]
        self.cards = [card_of(member) for member in self.members]
        share = default_share(self.sites)
        self.near = neighbours_of(self.sites, share, b"order")
        self.threshold = [threshold_of(len(near) + 1, share) for near in self.near]
        for place, near in enumerate(self.near):
            self.members[place] = introduced(self.members[place], {other: self.cards[other] for other in near}, ())

    def circle(self, number: int, place: int, mask_keys: Sequence[bytes]) -> Circle:
        others = {other: mask_keys[other] for other in self.near[place]}
        return circle_of(self.members[place], number, place, self.threshold[place], others)

    def sum(
        self,
        vectors: Sequence[Vector],
        number: int = 1,
        at_share: Collection[int] = (),
        at_mask: Collection[int] = (),
        at_unmask: Collection[int] = (),
    ) -> Vector:
        """A secure sum in which these sites are lost before they do a step."""
        shared = [place for place in range(self.sites) if place not in at_share]
        mask_keys, sealed = self.share(number, shared)
        answering = [place for place in shared if place not in at_mask]
        self.masked = {}
        for place in answering:
            arrived = {other: sealed[other][place] for other in self.near[place] if other in sealed}
            self.members[place], self.masked[place] = mask(self.members[place], number, vectors[place], arrived, 2)
        told = {}
        for place in [place for place in answering if place not in at_unmask]:
            part = {place, *self.near[place]} & set(shared)
            answered, lost = part & set(answering), part - set(answering)
            self.members[place], told[place] = unmask(self.members[place], number, answered, lost, 2)
        neighbours = {place: set(self.near[place]) & set(shared) for place in shared}
        known = Sum(RUN, number, neighbours, dict(enumerate(mask_keys)), dict(enumerate(self.threshold)))
        return unmasked(known, self.masked, told)

    def share(self, number: int, shared: Collection[int]) -> tuple[list[bytes], dict[int, dict[int, bytes]]]:
        """All make keys, and some give shares of them away: the public keys, and by place what each sealed."""
        mask_keys = []
        for place, member in enumerate(self.members):
            self.members[place], public = new_keys(member)
            mask_keys.append(public)
        sealed = {}
        for place in shared:
            self.members[place], sealed[place] = shares_for(
                self.members[place], self.circle(number, place, mask_keys), 2
            )
        return mask_keys, sealed

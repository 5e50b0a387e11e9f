"""The sites of one secure sum: who shares masks with whom, and what they sealed for each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from fedgraft.common.secure.circle import Card
from fedgraft.common.secure.neighbours import default_share, neighbours_of, threshold_of
from fedgraft.common.secure.recovery import Sum
from fedgraft.common.wire.summed.steps import Around


@dataclass(frozen=True)
class Cohort:
    """
    Attributes:
        mask_keys: by place, each site's key for this sum.
        near: by place, those with which it shares masks.
        threshold: by place, how many holders of its secrets must help to restore them.
        sealed: by place of each site that gave shares away, what it sealed, by place of whom for.
    """

    number: int
    mask_keys: Mapping[int, bytes]
    near: Mapping[int, tuple[int, ...]]
    threshold: Mapping[int, int]
    sealed: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)

    @property
    def places(self) -> frozenset[int]:
        """Those that have a part in the sum."""
        return frozenset(self.sealed)

    def around(self, place: int) -> Around:
        """What a site is told of the others."""
        keys = {other: self.mask_keys[other] for other in self.near[place]}
        return Around(self.number, place, self.threshold[place], keys)

    def arrived(self, place: int) -> dict[int, bytes]:
        """What others sealed for a site."""
        return {other: self.sealed[other][place] for other in self.near[place] if other in self.sealed}

    def around_with_part(self, place: int) -> frozenset[int]:
        """A site and those of its neighbours that have a part."""
        return self.places & {place, *self.near[place]}

    def sum(self, run: str) -> Sum:
        near = {place: self.places & set(self.near[place]) for place in self.places}
        return Sum(run, self.number, near, self.mask_keys, self.threshold)


def cohort_of(number: int, mask_keys: Mapping[int, bytes], share: float | None, order: bytes) -> Cohort:
    """The cohort of sites that gave a key.

    Args:
        share: of the plan's ``aggregation.threshold``.
        order: decides who is near whom, above 50 sites.
    """
    places = sorted(mask_keys)
    wanted = default_share(len(places)) if share is None else share
    near = neighbours_of(len(places), wanted, order)
    by_place = {place: tuple(places[other] for other in some) for place, some in zip(places, near, strict=True)}
    threshold = {place: threshold_of(len(some) + 1, wanted) for place, some in by_place.items()}
    return Cohort(number, mask_keys, by_place, threshold)


@dataclass
class Acquaintances:
    """The sites of a run by place, and who was told of whom.

    A place is given once to each node; a site that comes back with another key is made known again.
    """

    places: dict[int, int] = field(default_factory=dict)
    cards: dict[int, Card] = field(default_factory=dict)
    told: dict[int, set[int]] = field(default_factory=dict)

    def place_of(self, node: int) -> int:
        return self.places.setdefault(node, len(self.places))

    def keep(self, place: int, card: Card) -> None:
        """Take a site's card."""
        if self.cards.get(place) == card:
            return
        if place in self.cards and self.cards[place].public == card.public:
            self.cards[place] = card  # signed anew: a signature has randomness in it
            return
        self.cards[place], self.told[place] = card, set()
        for others in self.told.values():
            others.discard(place)

    def new_to(self, place: int, others: Collection[int]) -> dict[int, Card]:
        """The cards that a site was not told yet."""
        return {other: self.cards[other] for other in sorted(set(others) - self.told[place])}

    def were_told(self, place: int, others: Collection[int]) -> None:
        self.told[place] |= set(others)

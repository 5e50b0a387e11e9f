"""How much one site weighs in a mean: by cases that it can have, and not more than a share of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from fedgraft.common.wire.offer import Offer
from fedgraft.server.bounds.lengths import FEW


def counted(cases: Mapping[str, int], confirmed: Mapping[str, int]) -> dict[str, int]:
    """Each site's training cases, but not more than the coordinator registered for it.

    Args:
        cases: as the sites tell, by name.
        confirmed: as registered, by name; a site without an entry is believed.
    """
    return {site: min(told, confirmed.get(site, told)) for site, told in cases.items()}


def believed(offers: Iterable[Offer], confirmed: Mapping[str, int]) -> list[Offer]:
    """Offers whose class counts are in the same proportions, but of no more cases than are registered: from their sum
    over the sites come class weights, which every site uses."""
    found = []
    for offer in offers:
        most = confirmed.get(offer.site, offer.examples)
        if offer.class_counts is not None and offer.examples > most:
            counts = tuple(0 if n == 0 else max(1, n * most // offer.examples) for n in offer.class_counts)
            offer = replace(offer, class_counts=counts)
        found.append(offer)
    return found


def capped(weights: Sequence[int], share: float) -> list[int]:
    """Weights of which none is more than ``share`` of their sum; those that are not stay as they are.

    With fewer than three, or with so small a share that no weights could keep to it, all stay as they are.

    Args:
        weights: above 0.
    """
    ordered = sorted(weights)
    if len(ordered) < FEW or share * len(ordered) <= 1 or ordered[-1] <= share * sum(ordered):
        return list(weights)
    for largest in range(1, len(ordered)):  # so many are cut to one weight, which is then a share of all
        others = ordered[: len(ordered) - largest]
        limit = share * sum(others) / (1 - largest * share)
        if limit >= others[-1]:
            break
    return [min(weight, max(1, int(limit))) for weight in weights]

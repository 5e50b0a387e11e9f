"""How much one site weighs in a mean: by cases that it can have, and not more than a share of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgraft.server.bounds.lengths import FEW


def counted(cases: Mapping[str, int], confirmed: Mapping[str, int]) -> dict[str, int]:
    """Each site's training cases, but not more than the coordinator registered for it.

    Args:
        cases: as the sites tell, by name.
        confirmed: as registered, by name; a site without an entry is believed.
    """
    return {site: min(told, confirmed.get(site, told)) for site, told in cases.items()}


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

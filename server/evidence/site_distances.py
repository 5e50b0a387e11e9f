"""How far each site's features are from the others', in figures and sentences (``site_distances``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.common.familiarity.between_sites import Distance
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.familiarity import STATES

Between = Mapping[str, Mapping[tuple[str, str], Distance]]
"""By state of the features and pair of sites."""


def distance_figures(found: Between) -> dict[str, Any] | None:
    """The key ``site_distances`` of ``summary.json``; ``None`` if the plan does not ask, or too few told."""
    if not any(found.values()):
        return None
    return {state: _by_site(pairs) for state, pairs in found.items()}


def _by_site(pairs: Mapping[tuple[str, str], Distance]) -> dict[str, dict[str, Any]]:
    sites = sorted({name for pair in pairs for name in pair})
    return {site: _of_site({_other(pair, site): one for pair, one in pairs.items() if site in pair}) for site in sites}


def _other(pair: tuple[str, str], site: str) -> str:
    return pair[1] if pair[0] == site else pair[0]


def _of_site(others: Mapping[str, Distance]) -> dict[str, Any]:
    nearest = min(others, key=lambda name: (others[name].deviations, name))
    return {
        "nearest": nearest,
        "deviations": round(others[nearest].deviations, 3),
        "by_chance": round(others[nearest].by_chance, 3),
        "differs": all(one.deviations > one.by_chance for one in others.values()),
        "others": {name: round(one.deviations, 3) for name, one in sorted(others.items())},
    }


def distance_sentences(plan: Plan, figures: Mapping[str, Any] | None) -> Iterator[str]:
    """Which sites differ from all others, what to try, and whether what was done took it away."""
    if figures is None:
        return
    before, after = (figures.get(state, {}) for state in STATES)
    for site, one in before.items():
        if not one["differs"]:
            continue
        yield (
            f"{site}'s features differ from those of every other site (nearest: {one['nearest']}, "
            f"{one['deviations']:.1f} deviations; by chance up to {one['by_chance']:.1f}); "
            f"{_then(plan, after.get(site))}"
        )


def _then(plan: Plan, after: Mapping[str, Any] | None) -> str:
    where = "see docs/adaptation.md"
    advice = where if plan.features.uses_own else f"try features.scale=auto, and {where}"
    if after is None:
        return advice
    there = f"{after['deviations']:.1f} (by chance up to {after['by_chance']:.1f}) as the final model's head takes them"
    if after["differs"]:
        return f"still {there}: {advice}"
    return f"only {there}: what the plan does takes it away; whether that helps, validation cases say"

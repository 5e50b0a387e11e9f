"""The verdict of a study: federation helped; no gain larger than a margin; or it can't be told, and what would tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fedgraft.common.drawing.numbers import alike, signed, why_untold
from fedgraft.simulations.study.figures import Difference, half_width

Outcome = Literal["helped", "no_gain", "cannot_tell"]
MOST_SEEDS = 30


@dataclass(frozen=True)
class Verdict:
    """What a difference of federated and local figures says.

    Attributes:
        cases: test cases of a seed, of the sites that count.
        cases_needed, seeds_needed: about how many would tell, if the difference and the number of the other stay as
            they are; ``None`` if it is told, if nothing can be said, or (seeds) if no `MOST_SEEDS` would do.
    """

    outcome: Outcome
    words: str
    cases: int
    cases_needed: int | None = None
    seeds_needed: int | None = None


def outcome_of(found: Difference, margin: float) -> Outcome:
    """``helped``: the interval lies above 0; ``no_gain``: below the margin; else ``cannot_tell``."""
    if found.low is None or found.high is None:
        return "cannot_tell"
    return "helped" if found.low > 0 else "no_gain" if found.high < margin else "cannot_tell"


def verdict(found: Difference, heading: str, margin: float, cases: int, shared: float = 1.0) -> Verdict:
    """Judge ``found``, federated minus local in the mean over sites.

    Args:
        heading: of the figure.
        margin: a gain that is not worth a federation.
        cases: test cases of a seed.
        shared: as for `fedgraft.simulations.study.figures.difference`.
    """
    outcome = outcome_of(found, margin)
    if found.mean is None:
        words = "Whether federation helped can't be said: no site has both figures, on enough test cases of each side."
        return Verdict(outcome, words, cases)
    if found.same:
        words = (
            f"Can't tell whether federation helped: federated - local is {found.mean:+.3f} {heading} (mean over sites)"
        )
        return Verdict(outcome, f"{words}, {alike(vars(found))}: {why_untold(vars(found))}.", cases)
    if found.low is None or found.high is None:
        why = "can't be said from one seed"
        if len(found.values) > 1:
            why = f"can't be said: of {len(found.values)} seeds one has a site with enough test cases of each side"
        words = f"Whether federation helped {why}: federated - local is {found.mean:+.3f} {heading} (mean over sites), "
        return Verdict(outcome, f"{words}without an interval; give seeds=[0,1,2].", cases)
    said = _said(found, heading)
    if outcome == "helped":
        return Verdict(outcome, f"Federation helped here: {said}; the interval lies above 0.", cases)
    if outcome == "no_gain":
        alone = " and below 0, each site alone is better" if found.high < 0 else ""
        words = f"No gain larger than {margin:g} {heading} here: {said}; the interval lies below that{alone}."
        return Verdict(outcome, words, cases)
    more, seeds = _cases_needed(found, margin, cases), _seeds_needed(found, margin, shared)
    words = f"Can't tell whether federation helped: {said}; the interval holds 0 and a gain of {margin:g}."
    ways = [f"about {more:,} test cases (here {cases:,})"] * bool(cases) + [f"about {seeds} seeds"] * bool(seeds)
    words += f" If the difference stays so, {' or '.join(ways)} would tell." if ways else ""
    return Verdict(outcome, words, cases, more if cases else None, seeds)


def untold(found: Difference, heading: str, cases: int) -> Verdict:
    """Where no site has enough test cases, whatever the interval says."""
    why = "every site has fewer than 5 positive or negative test cases"
    return Verdict("cannot_tell", f"Can't tell whether federation helped: {why}; {_said(found, heading)}.", cases)


def by_site_sentence(
    differences: Mapping[str, Mapping[str, Any]], outcomes: Mapping[str, Outcome], margin: float
) -> str:
    """``By site: helped at a, b; no gain larger than 0.02 at c (...); can't tell at d (...)``."""
    titles = {"helped": "it helped", "no_gain": f"no gain larger than {margin:g}", "cannot_tell": "can't tell"}
    parts = []
    for outcome, title in titles.items():
        sites = [site for site, one in outcomes.items() if one == outcome]
        if sites:
            named = ", ".join(_named(site, differences[site]) for site in sites)
            parts.append(f"{title} at {len(sites)} of {len(outcomes)}: {named}")
    return f"By site: {'; '.join(parts)}."


def _said(found: Difference, heading: str) -> str:
    return f"federated - local is {found.mean:+.3f} {heading} [{found.low:+.3f}, {found.high:+.3f}] (mean over sites)"


def _named(site: str, one: Mapping[str, Any]) -> str:
    if one.get("same"):
        return f"{site} ({signed(one['mean'])}, {alike(one)})"
    alone = "; alone is better" if one["high"] < 0 else ""
    return f"{site} ({one['mean']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]{alone})"


def _wanted(found: Difference, margin: float) -> float:
    """How narrow half the interval must be to lie above 0 or below the margin."""
    mean = found.mean or 0.0
    return max(mean, margin - mean)


def _cases_needed(found: Difference, margin: float, cases: int) -> int:
    """Half the interval shrinks with the root of the cases; in two digits, rounded up."""
    half = ((found.high or 0.0) - (found.low or 0.0)) / 2
    needed = cases * (half / _wanted(found, margin)) ** 2
    unit = 10 ** max(0, math.floor(math.log10(needed)) - 1) if needed >= 1 else 1
    return math.ceil(needed / unit) * unit


def _seeds_needed(found: Difference, margin: float, shared: float) -> int | None:
    known = [value for value in found.values if value is not None]
    for seeds in range(len(known) + 1, MOST_SEEDS + 1):
        if half_width(known, found.cases_deviation, shared, seeds) < _wanted(found, margin):
            return seeds
    return None

"""What the bounds did in a run, and whose updates were unlike the others': for ``summary.json`` and its warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedgraft.server.bounds.judgement import Figures
from fedgraft.server.bounds.likeness import pulling_against
from fedgraft.server.rounds.state import Round


def update_figures(round_: Round) -> dict[str, dict[str, Any]]:
    """What is told of each update of a round, by site; for ``rounds.jsonl``."""
    return {
        site: {
            "norm": _short(one.norm),
            "ratio": _short(one.ratio),
            "kept": _short(one.kept),
            "cosine": _short(one.likeness.cosine),
            "effect": _short(one.likeness.effect),
            "apart": _short(one.apart),
            "left": _short(one.left),
        }
        for site, one in sorted(round_.updates.items())
    }


def bounds_figures(rounds: Sequence[Round]) -> dict[str, Any]:
    """What was refused, clipped, moved and counted for less, each with round and site; and, by site, the rounds in
    which its update pulled against the others'."""
    told = [(one.number, site, figures) for one in rounds for site, figures in sorted(one.updates.items())]
    places = pulling_against([{site: one.likeness for site, one in each.updates.items()} for each in rounds])
    return {
        "refused": [_named(n, site, one) for n, site, one in told if one.kept == 0],
        "clipped": [_named(n, site, one) for n, site, one in told if 0 < one.kept < 1],
        "moved": [
            {"round": n, "site": site, "apart": _short(one.apart), "left": _short(one.left)}
            for n, site, one in told
            if one.left < 1
        ],
        "counted": [
            {"round": n, "site": site, "cases": one.cases, "told": one.told, "because": one.because}
            for n, site, one in told
            if one.because
        ],
        "against": {site: [rounds[place].number for place in found] for site, found in sorted(places.items())},
    }


def round_sentences(round_: Round) -> list[str]:
    """What the bounds did in one round, a sentence for each site; for the console."""
    return [
        f"{site}: {'refused: its update was far too long' if one.kept == 0 else one.words()}"
        for site, one in sorted(round_.updates.items())
        if one.words() or one.kept == 0
    ]


def bounds_sentences(rounds: Sequence[Round]) -> list[str]:
    """A warning for each site to which a bound was applied, or that pulled against the others."""
    found, every = bounds_figures(rounds), sum(1 for one in rounds if one.updates)
    said = []
    for what, words in (("refused", "was refused for its length"), ("clipped", "was shortened")):
        for site, numbers in _by_site(found[what]).items():
            most = max(one["ratio"] or 0.0 for one in found[what] if one["site"] == site)
            said.append(
                f"{site}: its update {words} in {len(numbers)} of {every} round(s), at most {most:.3g} times as "
                "long as the sites' median"
            )
    for site, numbers in _by_site(found["moved"]).items():
        most = max(one["apart"] for one in found["moved"] if one["site"] == site)
        said.append(
            f"{site}: its update was moved towards the others' in {len(numbers)} of {every} round(s), at most "
            f"{most:.3g} times as far from them as the sites' median"
        )
    for site in _by_site(found["counted"]):
        one = next(one for one in found["counted"] if one["site"] == site)
        why = "are registered for it" if one["because"] == "registered" else "is the largest share of one site"
        said.append(f"{site} told {one['told']} training cases, and counted as {one['cases']}, which {why}")
    for site, numbers in found["against"].items():
        said.append(
            f"{site}: its update pulled against the others', which agreed among themselves, in {len(numbers)} of "
            f"{every} round(s); its patients may be others, its labels turned round, or it means harm: ask it (from a "
            "start near the best model an honest hospital with many cases does so too)"
        )
    return said


def _named(number: int, site: str, one: Figures) -> dict[str, Any]:
    return {"round": number, "site": site, "ratio": _short(one.ratio), "kept": _short(one.kept)}


def _by_site(lines: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in lines:
        found.setdefault(one["site"], []).append(one["round"])
    return dict(sorted(found.items()))


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")

"""How long each hospital's updates were, and how like the others', round by round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common.drawing.markup import Html, Row, details, named, paragraph, section, table
from fedgraft.common.drawing.numbers import MISSING
from fedgraft.server.evidence.listed import WEAKEST
from fedgraft.server.reports.page.folder import RunFolder

MOST_ROUNDS = 20
MOST_NAMED = 40


def updates(run: RunFolder) -> Html | None:
    """The section; none for a run whose sites train nothing, or of an older version."""
    rounds = [one for one in run.rounds if one.get("updates")]
    if not rounds:
        return None
    acted = _acted(run)
    names = _named(run, rounds, acted)
    shown = rounds[:: -(-len(rounds) // MOST_ROUNDS)]
    headings = ("hospital", *(str(one["round"]) for one in shown))

    def grid(cell: Callable[[dict[str, Any]], str]) -> Html:
        rows = [
            Row(
                (named(site), *(cell(one["updates"][site]) if site in one["updates"] else MISSING for one in shown)),
                "worst" if site in acted else None,
            )
            for site in names
        ]
        return table(None, headings, rows)

    return section(
        "Updates",
        paragraph(
            "The length of each hospital's update by round, in parts of the hospitals' median. One that was shortened "
            "says how much of it was used; a marked hospital is named in the warnings.",
            f" Listed are {len(names)} of {len(run.sites):,}: those, and the longest of the last round." * run.is_crowd,
        ),
        grid(_length),
        details(
            "How like the others'",
            paragraph(
                "The cosine between a hospital's update and the others' directions: near 1, it pulls as they do; below "
                "0, against them, and their loss rises where it has its way. In late rounds all are near 0, or below."
            ),
            grid(lambda one: _number(one["cosine"])),
            paragraph(
                "How far it was from the others', in parts of the hospitals' median; behind one that was moved towards "
                "them, how much of that way is used."
            ),
            grid(_distance),
            paragraph("What it added to the others' progress, in parts of it; below 0 it took away."),
            grid(lambda one: _number(one["effect"])),
        ),
    )


def _acted(run: RunFolder) -> set[str]:
    """The hospitals that the warnings name."""
    found = run.summary.get("bounds", {})
    acted = {one["site"] for what in ("refused", "clipped", "moved", "counted") for one in found.get(what, ())}
    return acted | set(found.get("against", ()))


def _named(run: RunFolder, rounds: list[Any], acted: set[str]) -> list[str]:
    """The hospitals that are listed: all; or those of which something was cut, and the longest of the last round."""
    names = sorted({site for one in rounds for site in one["updates"]})
    if not run.is_crowd:
        return names
    last = rounds[-1]["updates"]
    longest = sorted(last, key=lambda site: (-last[site]["norm"], site))
    first = [site for site in names if site in acted][: MOST_NAMED - WEAKEST]
    return sorted({*first, *longest[:WEAKEST]})


def _length(one: dict[str, Any]) -> str:
    if one["ratio"] is None:
        return MISSING
    used = "" if one["kept"] == 1 else " refused" if one["kept"] == 0 else f" ({100 * one['kept']:.0f} % used)"
    return f"{one['ratio']:.3g}{used}"


def _distance(one: dict[str, Any]) -> str:
    if one.get("apart") is None:
        return MISSING
    used = "" if one["left"] == 1 else f" ({100 * one['left']:.0f} % used)"
    return f"{one['apart']:.3g}{used}"


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"

"""``audit.html``: what was tried on a run's privacy and what it got, for whoever answers for the data."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from fedgraft.common.drawing.document import document
from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag
from fedgraft.common.drawing.markup import table as drawn_table
from fedgraft.simulations.audit.finding import Finding

WHOSE = (
    "This is an audit by whoever simulated the run, who has all cases of all simulated sites and so can say of each "
    "guess whether it was right. Nobody else could make this page, and no hospital takes part in it. It names no "
    "case. What an attack did not get, another may."
)


def audit_page(name: str, about: Mapping[str, Any], found: Sequence[Finding]) -> Html:
    """The page about the run ``name``.

    Args:
        about: ``promised`` (epsilon, delta, shared; ``None`` without privacy), ``secure`` and ``sites``.
    """
    parts: list[Content] = [paragraph(promise(about)), paragraph(WHOSE)]
    parts += [_attack(one) for one in found]
    parts.append(
        paragraph("What each attack does, and what it can and can't show: docs/privacy-audit.md.", class_="soft")
    )
    return document(f"Privacy of {name}, attacked", parts)


def promise(about: Mapping[str, Any]) -> str:
    """What the run promised, in a sentence or two."""
    secure = "The coordinator saw sums over hospitals only. " if about["secure"] else ""
    promised = about["promised"]
    if promised is None:
        return f"{secure}The run promised patients nothing. Below is what its sums and its model tell."
    return (
        f"{secure}The run promised each patient epsilon {promised['epsilon']:g} with delta {promised['delta']:g}: "
        "whatever "
        f"anybody knows, the run makes them at most {exp(promised['epsilon']):,.0f} times as sure that the patient was "
        "there, but for delta."
    )


def _attack(found: Finding) -> Html:
    table = None
    if found.table is not None:
        table = drawn_table(None, found.table.headings, found.table.rows)
    shown = [_picture(caption, content) for caption, content in found.pictures]
    return section(
        found.title,
        paragraph(found.asked, class_="soft"),
        *(paragraph(sentence) for sentence in found.said),
        table,
        tag("div", *shown, class_="charts") if shown else None,
    )


def _picture(caption: str, content: bytes) -> Html:
    data = base64.b64encode(content).decode()
    image = tag("img", src=f"data:image/png;base64,{data}", alt=caption)
    return tag("figure", image, tag("figcaption", caption))

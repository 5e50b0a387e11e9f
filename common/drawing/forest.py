"""Forest plots: a line for each group with its figure and interval, beside each other for the eye to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.common.drawing.charts import WIDTH, Axis
from fedgraft.common.drawing.markup import Content, Html, tag, together

_LEFT, _RIGHT, _STEP, _TOP, _FOOT, _LETTERS = 112, 14, 24, 6, 38, 17


@dataclass(frozen=True)
class Group:
    """A group's figure; ``words`` is what hovering says, ``css`` its colour. Without a value it is left out."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    words: str
    css: str = "c0"


def forest(title: Content, below: Content, axis: Axis, groups: Sequence[Group], whole: float | None) -> Html:
    """A figure: a row for each group, and a dashed line at the figure of all together (``None``: no line)."""
    known = [group for group in groups if group.value is not None]
    bottom = _TOP + _STEP * len(known)
    parts: list[Content] = []
    for value in axis.ticks():
        at = _x(axis, value)
        parts.append(tag("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", axis.words(value), x=at, y=bottom + 14, text_anchor="middle"))
    if whole is not None:
        path = f"M{_x(axis, whole)} {_TOP}L{_x(axis, whole)} {bottom}"
        parts.append(
            tag("g", tag("title", f"all together: {whole:.3f}"), tag("path", d=path, class_="line"), class_="guide")
        )
    parts += [_row(axis, group, _TOP + _STEP * (place + 0.5)) for place, group in enumerate(known)]
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(tag("text", axis.label, x=middle, y=bottom + 31, text_anchor="middle", class_="label"))
    name = tag("title", title)
    box = f"0 0 {WIDTH} {bottom + _FOOT}"
    return tag(
        "figure",
        tag("h3", title),
        tag("svg", name, *parts, viewBox=box, role="img", class_="chart"),
        tag("figcaption", below) if below else None,
    )


def _row(axis: Axis, group: Group, y: float) -> Html:
    short = group.name if len(group.name) <= _LETTERS else f"{group.name[: _LETTERS - 1]}…"
    parts: list[Content] = [
        tag("title", group.words),
        tag("text", short, x=_LEFT - 8, y=y + 4, text_anchor="end", class_="label"),
    ]
    if group.interval is not None:
        low, high = (_x(axis, end) for end in group.interval)
        parts.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_="line"))
    parts.append(tag("circle", cx=_x(axis, group.value or 0.0), cy=y, r=4, class_="dot"))
    return tag("g", together(parts), class_=group.css)


def _x(axis: Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (WIDTH - _LEFT - _RIGHT), 1)

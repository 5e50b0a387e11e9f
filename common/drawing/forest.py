"""Forest plots: a line for each group with its figure and interval, beside each other for the eye to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.common.drawing.charts import WIDTH, Axis
from fedgraft.common.drawing.markup import Content, Html, tag, together

_LEFT, _LETTER, _RIGHT, _STEP, _TOP, _FOOT, _LETTERS = 112, 6.9, 14, 24, 6, 38, 17


@dataclass(frozen=True)
class Group:
    """A group's figure; ``words`` is what hovering says, ``css`` its colour. Without a value it is left out."""

    name: str
    value: float | None
    interval: tuple[float, float] | None
    words: str
    css: str = "c0"


def forest(
    title: Content,
    below: Content,
    axis: Axis,
    groups: Sequence[Group],
    whole: float | None,
    whole_words: str | None = None,
    letters: int = _LETTERS,
) -> Html:
    """A figure: a row for each group, and a dashed line.

    Args:
        whole: where the line is; ``None`` for none.
        whole_words: what hovering over it says; ``None``: that it is the figure of all together.
        letters: of longer names only so many are shown.
    """
    left = _LEFT + _LETTER * max(0, letters - _LETTERS)
    known = [group for group in groups if group.value is not None]
    bottom = _TOP + _STEP * len(known)
    parts: list[Content] = []
    for value in axis.ticks():
        at = _x(axis, left, value)
        parts.append(tag("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", axis.words(value), x=at, y=bottom + 14, text_anchor="middle"))
    if whole is not None:
        path = f"M{_x(axis, left, whole)} {_TOP}L{_x(axis, left, whole)} {bottom}"
        parts.append(
            tag(
                "g",
                tag("title", whole_words or f"all together: {whole:.3f}"),
                tag("path", d=path, class_="line"),
                class_="guide",
            )
        )
    parts += [_row(axis, left, letters, group, _TOP + _STEP * (place + 0.5)) for place, group in enumerate(known)]
    middle = (left + WIDTH - _RIGHT) / 2
    parts.append(tag("text", axis.label, x=middle, y=bottom + 31, text_anchor="middle", class_="label"))
    name = tag("title", title)
    box = f"0 0 {WIDTH} {bottom + _FOOT}"
    return tag(
        "figure",
        tag("h3", title),
        tag("svg", name, *parts, viewBox=box, role="img", class_="chart"),
        tag("figcaption", below) if below else None,
    )


def _row(axis: Axis, left: float, letters: int, group: Group, y: float) -> Html:
    short = group.name if len(group.name) <= letters else f"{group.name[: letters - 1]}…"
    parts: list[Content] = [
        tag("title", group.words),
        tag("text", short, x=left - 8, y=y + 4, text_anchor="end", class_="label"),
    ]
    if group.interval is not None:
        low, high = (_x(axis, left, end) for end in group.interval)
        parts.append(tag("line", x1=low, x2=high, y1=y, y2=y, class_="line"))
    parts.append(tag("circle", cx=_x(axis, left, group.value or 0.0), cy=y, r=4, class_="dot"))
    return tag("g", together(parts), class_=group.css)


def _x(axis: Axis, left: float, value: float) -> float:
    return round(left + axis.share(value) * (WIDTH - left - _RIGHT), 1)

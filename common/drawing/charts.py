"""Charts as inline SVG: two axes, and lines, dots, bars and intervals on them; text stays text, hovering tells more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedgraft.common.drawing.markup import Content, Html, tag, together

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 270, 52, 18, 10, 42
MOST_TIPS = 800
"""More points than that in a chart have no words of their own."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An axis; ``high`` above ``low``."""

    label: str
    low: float = 0.0
    high: float = 1.0
    words: Callable[[float], str] = "{:g}".format
    whole: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1; one beyond the axis lies at its end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Four to eight round numbers."""
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
        step = max(1, round(step)) if self.whole else step
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor((self.high - first * step) / step + 1e-9) + 1
        return [round((first + k) * step, 10) for k in range(count)]


@dataclass(frozen=True)
class Series:
    """Points with a colour (``css``) and a name in the key (none: not in the key).

    Attributes:
        tips: what hovering over each point says; empty for the name alone.
        lows, highs: the ends of an interval through each point, if it has one.
        line, dots: what is drawn.
    """

    points: Sequence[Point]
    css: str
    name: Content = None
    tips: Sequence[str] = ()
    intervals: Sequence[tuple[float, float]] = ()
    line: bool = True
    dots: bool = False


def around(values: Sequence[float], label: str, words: Callable[[float], str] = "{:g}".format) -> Axis:
    """An axis that holds all values, with a little room."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.06 * (high - low) or 0.05
    return Axis(label, low - room, high + room, words)


def chart(title: str, below: Content, x: Axis, y: Axis, series: Sequence[Series]) -> Html:
    """A figure: title, plot, key, and what it shows in words.

    Args:
        below: the words.
    """
    drawn = [_frame(x, y), *(_drawn(each, x, y, _tips(series)) for each in series)]
    svg = tag(
        "svg",
        tag("title", title),
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="chart",
    )
    key = [tag("li", tag("span", class_=f"swatch {each.css}"), each.name) for each in series if each.name]
    return tag(
        "figure",
        tag("h3", title),
        svg,
        tag("ul", *key, class_="key") if key else None,
        tag("figcaption", below) if below else None,
    )


def charts(*figures: Html | None) -> Html:
    """Figures beside each other, as far as the screen is wide."""
    return tag("div", *figures, class_="charts")


def _tips(series: Sequence[Series]) -> bool:
    return sum(len(each.points) for each in series) <= MOST_TIPS


def _frame(x: Axis, y: Axis) -> Html:
    """Grid, numbers and labels."""
    parts: list[Content] = []
    for value in x.ticks():
        at = _x(x, value)
        parts += [
            tag("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"),
            tag("text", x.words(value), x=at, y=HEIGHT - BOTTOM + 15, text_anchor="middle"),
        ]
    for value in y.ticks():
        at = _y(y, value)
        parts += [
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"),
            tag("text", y.words(value), x=LEFT - 6, y=at + 4, text_anchor="end"),
        ]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts += [
        tag("text", x.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 6, text_anchor="middle", class_="label"),
        tag(
            "text", y.label, x=11, y=middle, text_anchor="middle", class_="label", transform=f"rotate(-90 11 {middle})"
        ),
    ]
    return together(parts)


def _drawn(each: Series, x: Axis, y: Axis, with_tips: bool) -> Html:
    at = [(_x(x, one), _y(y, two)) for one, two in each.points]
    parts: list[Content] = []
    if each.line and at:
        path = "M" + "L".join(f"{one} {two}" for one, two in at)
        parts.append(tag("path", d=path, class_="line"))
    for (one, _), (low, high) in zip(at, each.intervals, strict=False):
        parts.append(tag("line", x1=one, x2=one, y1=_y(y, low), y2=_y(y, high), class_="interval"))
    tips = each.tips if with_tips else ()
    for place, (one, two) in enumerate(at if each.dots or tips else ()):
        tip = tag("title", tips[place]) if tips else None
        css = "dot" if each.dots else "reach"
        parts.append(tag("circle", tip, cx=one, cy=two, r=3.5 if each.dots else 6, class_=css))
    return tag("g", tag("title", each.name) if each.name else None, *parts, class_=each.css)


def _x(axis: Axis, value: float) -> float:
    return round(LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(axis: Axis, value: float) -> float:
    return round(HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def strip(axis: Axis, value: float, interval: tuple[float, float] | None, words: str) -> Html:
    """A figure and its interval on a line, for the cell of a table; an interval that begins beyond the axis does so at
    its end."""
    reach, height = 116.0, 14

    def at(one: float) -> float:
        return round(4 + axis.share(one) * (reach - 8), 1)

    parts = [tag("line", x1=4, x2=reach - 4, y1=7, y2=7, class_="grid")]
    if interval is not None:
        parts.append(tag("line", x1=at(interval[0]), x2=at(interval[1]), y1=7, y2=7, class_="line"))
    parts.append(tag("circle", cx=at(value), cy=7, r=3.5, class_="dot"))
    return tag("svg", tag("title", words), *parts, viewBox=f"0 0 {reach:g} {height}", class_="strip c0", role="img")

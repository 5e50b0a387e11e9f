"""HTML and SVG put together so that nothing but this file can make markup: any other word is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape, unescape

_EMPTY = frozenset({"meta", "rect", "circle", "line", "path"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = str | None


def tag(name: str, /, *children: Content, **attributes: object) -> Html:
    """An element; children that are not `Html` are escaped, ``None`` is left out. In an attribute's name ``_`` stands
    for ``-``, one at the end for nothing; an attribute that is ``None`` is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY and not children:
        return Html(f"<{name}{given}>" if name == "meta" else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{together(children)}</{name}>")


def together(parts: Iterable[Content]) -> Html:
    """Parts one after another."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts if part is not None))


def named(name: str) -> Html:
    """A name that a stranger gave (a site, a class): kept apart, so that it can't turn the text around it."""
    return tag("bdi", name)


def listed(names: Sequence[str], most: int = 6) -> Html:
    """``a, b and c``; of many the first ones, and how many more."""
    some = [named(name) for name in names[:most]]
    if len(names) > most:
        some = [*some, Html(f"{len(names) - most} more")]
    if len(some) < 2:
        return together(some)
    return Html(f"{', '.join(some[:-1])} and {some[-1]}")


def paragraph(*parts: Content, class_: str | None = None) -> Html:
    return tag("p", *parts, class_=class_)


@dataclass(frozen=True)
class Row:
    """A row of a table; ``css`` is its class."""

    cells: tuple[Content, ...]
    css: str | None = None


def table(caption: Content, headings: Sequence[str], rows: Iterable[Row | Sequence[Content]]) -> Html:
    """A table whose first column names each row; on a narrow screen a row is a card, each cell with its heading."""
    head = tag("tr", *(tag("th", text, scope="col") for text in headings))
    body = (_row(headings, row if isinstance(row, Row) else Row(tuple(row))) for row in rows)
    return tag(
        "table", tag("caption", caption) if caption else None, tag("thead", head), tag("tbody", *body), class_="cards"
    )


def _row(headings: Sequence[str], row: Row) -> Html:
    first, *others = row.cells
    cells = (tag("td", cell, data_label=heading) for heading, cell in zip(headings[1:], others, strict=True))
    return tag("tr", tag("th", first, scope="row"), *cells, class_=row.css)


def section(title: str, *parts: Content) -> Html:
    """A section under its heading, which links can point to."""
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), *parts, aria_labelledby=name)


def details(title: str, *parts: Content) -> Html:
    """Parts that are shown when a person asks for them, and in print."""
    return tag("details", tag("summary", title), *parts)


def beside(text: str, note: str) -> Html:
    """A figure, and smaller what belongs to it."""
    return tag("span", text, " ", tag("span", note, class_="note"))


def words(html: Html) -> str:
    """The words of HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())

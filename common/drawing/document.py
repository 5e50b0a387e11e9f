"""A whole page: one file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.common.drawing.markup import Content, Html, tag
from fedgraft.common.drawing.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Nothing is loaded, and no script runs."""


def document(title: str, parts: Sequence[Content]) -> Html:
    """A whole page: one file that loads nothing."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{title}: report"),
        tag("style", Html(STYLE)),
    )
    body = tag("body", tag("main", tag("h1", title), *parts))
    return Html(f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n")

"""The frame of a console's page, and its forms: HTML from the server, with every word of others escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import HTMLResponse

from fedgraft.common.drawing.markup import Content, Html, Row, table, tag, together

TOKEN = "token"


@dataclass(frozen=True)
class Frame:
    """What all pages of a console share. ``links``: titles by path."""

    name: str
    links: Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """What a page says about what was just asked of it; ``wrong``: it was not done."""

    text: Content
    wrong: bool = False


def page(frame: Frame, path: str, token: str, parts: Sequence[Content], told: Told | None = None) -> HTMLResponse:
    """A page of a console.

    Args:
        path: of the page among the frame's links.
        token: of the session.
        told: about what was just asked.
    """
    links = [tag("a", text, href=to, aria_current="page" if to == path else None) for to, text in frame.links.items()]
    out = form("/logout", token, button("Log out", "quiet"), class_="inline")
    pause = tag("button", "Pause", type="button", class_="quiet", id="pause", hidden="hidden")
    body = [
        tag("a", "To the content", href="#main", class_="skip"),
        tag("header", tag("h1", frame.name), tag("span", class_="soft", id="live", role="status"), pause, out),
        tag("nav", *links, aria_label="pages"),
        tag("main", _told(told), *parts, id="main"),
    ]
    status = 400 if told is not None and told.wrong else 200
    return HTMLResponse(document(f"{frame.links.get(path, '')} - {frame.name}".strip(" -"), body), status)


def login_page(wrong: str, status: int = 401) -> HTMLResponse:
    """The page that asks for the password, and says nothing else."""
    asked = tag(
        "form",
        field("password", "Password", type_="password", autocomplete="current-password", required="required"),
        tag("p", button("Log in")),
        method="post",
        action="/login",
    )
    said = _told(Told(wrong, wrong=True)) if wrong else None
    return HTMLResponse(document("Log in", [tag("main", tag("h1", "FedGraft"), said, asked)]), status)


def document(title: str, body: Sequence[Content]) -> Html:
    """A whole page that loads the console's own style sheet and script, and nothing else."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        Html('<link rel="stylesheet" href="/console.css"><link rel="icon" href="data:,">'),
        Html('<script src="/console.js" defer></script>'),
    )
    return Html(f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n")


def _told(told: Told | None) -> Html | None:
    if told is None or not told.text:
        return None
    return tag(
        "div", told.text, class_="told wrong" if told.wrong else "told", role="alert" if told.wrong else "status"
    )


def rows_table(name: str, headings: Sequence[str], rows: Iterable[Row | Sequence[Content]]) -> Html:
    """A table of words; its name is for who does not see the heading above it."""
    return tag("div", table(name, headings, rows), class_="wordy unseen-caption")


def live(name: str, content: Content) -> Html:
    """A part of a page that the server sends again when it has changed."""
    return tag("div", content, data_live=name)


def form(action: str, token: str, *parts: Content, class_: str | None = None) -> Html:
    """A form that carries the session's token."""
    hidden = Html(f'<input type="hidden" name="{TOKEN}" value="{token}">')
    return tag("form", hidden, *parts, method="post", action=action, class_=class_)


def button(text: str, class_: str | None = None, id_: str | None = None) -> Html:
    return tag("button", text, type="submit", class_=class_, id=id_)


def hidden(name: str, value: str) -> Html:
    """A field that is sent and not shown."""
    return _closed(tag("input", type="hidden", name=name, value=value))


def field(name: str, label: str, *, hint: str = "", at: str | None = None, **attributes: object) -> Html:
    """A labelled field; ``at``: its id, where another field of the page has the same name."""
    said, here = tag("span", f" {hint}", class_="hint") if hint else None, at or name
    return together([tag("label", label, said, for_=here), _closed(tag("input", id=here, name=name, **attributes))])


def tick(name: str, label: str) -> Html:
    """A box to tick."""
    return tag("label", _closed(tag("input", type="checkbox", name=name, value="yes")), label, class_="tick")


def choice(name: str, label: str, options: Mapping[str, str]) -> Html:
    """A list to choose from: titles by value."""
    shown = [tag("option", title, value=value) for value, title in options.items()]
    return together([tag("label", label, for_=name), tag("select", *shown, id=name, name=name)])


def text_area(name: str, label: str, *, hint: str = "", text: str = "") -> Html:
    """A field of many lines, with a text to begin with."""
    said = tag("span", f" {hint}", class_="hint") if hint else None
    area = tag("textarea", text, id=name, name=name, spellcheck="false")
    return together([tag("label", label, said, for_=name), area])


def _closed(html: Html) -> Html:
    """Without the end tag, which an ``input`` must not have."""
    return Html(html.removesuffix("</input>"))

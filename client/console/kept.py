"""What left the site, how much disk and time it took, its own pages, and patients who opt out."""

from __future__ import annotations

from fedgraft.client.overview.overview import Overview
from fedgraft.common.causes import what_to_do_here
from fedgraft.common.drawing.markup import Content, Html, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import duration, size
from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.web.frame import button, field, form, rows_table, text_area, tick

SHOWN_DAYS = 400
_CSS = {True: "state good", False: "state broken"}
_TITLES = {"check": "the check", "report": "the report on the model evaluated last"}


def status_part(found: Overview) -> Html:
    """Whether the site is connected, and what failed last."""
    how = tag("span", "connected" if found.connected else "not connected", class_=_CSS[found.connected])
    to = None if found.coordinator is None else tag("code", found.coordinator)
    start = None if found.connected else tag("span", "; connect it: ", tag("code", "fedgraft site start"))
    line = paragraph(named(found.name), ": ", how, " to " if to else None, to, start, class_="line")
    if found.last_error is None:
        return tag("div", line)
    code, moment = found.last_error
    shown = moment.replace("T", " ").removesuffix("Z")
    return tag("div", line, paragraph("Last failure, ", shown, ": ", tag("code", code), ": ", what_to_do_here(code)))


def left_part(found: Overview) -> Html:
    """What left, by day and kind."""
    if not found.left:
        return section("What left", paragraph("Nothing has left this site yet."))
    rows = [(one.day, one.what, f"{one.times:,}", size(one.bytes) if one.bytes else "–") for one in found.left]
    total = sum(one.bytes for one in found.left)
    return section(
        "What left",
        paragraph(
            f"{sum(one.times for one in found.left):,} answers, {size(total)} of weights. Each line of ",
            tag("code", "state/released.jsonl"),
            " says what it was: names of tensors, their norms, counts and figures; no case.",
        ),
        rows_table("What left", ("day", "what", "times", "bytes of weights"), rows[:SHOWN_DAYS]),
    )


def work_part(found: Overview) -> Html:
    """Disk and time."""
    rows = [(one.what, f"{one.times:,}", duration(one.seconds)) for one in found.work]
    shown = tag("div", table("Time by kind of message", ("what", "messages", "time"), rows), class_="wordy")
    return section(
        "Disk and time",
        paragraph(f"{size(found.used)} are used, {size(found.free)} are free on that disk."),
        shown if rows else None,
    )


def pages_part(found: Overview, token: str) -> Html:
    """The check's page and the report's, and the account of what was promised."""
    rows = [
        (
            tag("a", _TITLES[name], href=f"/pages/{name}") if name in found.pages else _TITLES[name],
            f"made {clock_time(found.pages[name])}" if name in found.pages else "never made",
            form(f"/{name}", token, button("Make it now", "quiet", id_=f"make-{name}")),
        )
        for name in _TITLES
    ]
    return section(
        "Pages that stay here",
        paragraph("They are of single cases, and must stay at this site."),
        rows_table("Pages", ("page", "made", "to do"), rows),
    )


def privacy_part(token: str) -> Html:
    """The account of noise."""
    return section(
        "Privacy account",
        paragraph("What was promised to patients in all runs, and what is left of the budget in site.yaml."),
        form("/privacy", token, button("Show the account", "quiet")),
    )


def withdraw_part(token: str) -> Content:
    """Patients who opt out."""
    asked = form(
        "/withdraw",
        token,
        text_area("patients", "Patients", hint="as the manifest names them, one a line"),
        field("by", "Who does this", required="required", maxlength="100", autocomplete="name"),
        tick("unknown", "also those whom the manifest does not name now"),
        tag("p", button("Withdraw them", "grave")),
    )
    return section(
        "Withdraw patients",
        paragraph(
            "From now on no run sees them, and what is kept of cases is removed. What a trained model still holds: "
            "docs/withdrawal.md. The names go to no log, and nothing of this is sent."
        ),
        asked,
    )

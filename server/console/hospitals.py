"""The hospitals as rows, and who is invited."""

from __future__ import annotations

import time
from collections.abc import Mapping

from fedgraft.common.drawing.markup import Content, Html, Row, details, named, paragraph, section, tag, together
from fedgraft.common.drawing.numbers import MISSING
from fedgraft.common.runtime.moments import ago
from fedgraft.common.web.frame import button, form, hidden, rows_table
from fedgraft.server.watching.hospitals import Hospital
from fedgraft.server.watching.observed import SeenSite
from fedgraft.server.watching.snapshot import Federation
from fedgraft.server.watching.words import doing, dropped

HEADINGS = ("hospital", "state", "last heard", "now", "plan", "cases", "version", "clock", "last cause")
IN_STEP_SECONDS = 2.0
"""A clock is told to a second."""
_CSS = {"online": "state good", "silent": "state broken", "offline": "state broken"}
_APPROVAL = {
    "unknown": MISSING,
    "any plan": "approves any",
    "asks": "asks its people",
    "approved": "approved",
    "refused": "refused",
    "waiting": "waiting for approval",
}


def hospital_rows(found: Federation) -> Html:
    """A row for each registered hospital."""
    if not found.hospitals:
        return section(
            "Hospitals", paragraph("No hospital is registered yet. ", tag("a", "Invite one", href="/invite"), ".")
        )
    seen = {} if found.run is None else {site.name: site for site in found.run.sites}
    rows = [_row(one, seen.get(one.name), found) for one in found.hospitals]
    return section("Hospitals", rows_table("Hospitals", HEADINGS, rows))


def _row(one: Hospital, seen: SeenSite | None, found: Federation) -> Row:
    return Row(
        (
            named(one.name),
            tag("span", one.state, class_=_CSS.get(one.state, "state")),
            MISSING if one.heard is None else f"{ago(one.heard)} ago",
            MISSING if seen is None or found.run is None else doing(seen, found.run),
            tag(
                "span",
                _APPROVAL[one.approval],
                class_="state watch" if one.approval in ("waiting", "refused") else None,
            ),
            _cases(one),
            MISSING if one.version is None else named(one.version),
            clock(one.ahead),
            _cause(seen),
        ),
        "worst" if one.state == "silent" and found.run is not None and found.run.state == "running" else None,
    )


def _cases(one: Hospital) -> Content:
    told = MISSING if one.cases is None else f"about {one.cases:,}"
    return told if one.most_cases is None else f"{told}, counts for {one.most_cases:,} at most"


def clock(ahead: float | None) -> Content:
    """How far a hospital's clock is off; a call whose clock is 5 s ahead or 300 s behind is refused."""
    if ahead is None:
        return MISSING
    if abs(ahead) <= IN_STEP_SECONDS:
        return "in step"
    return tag("span", f"{abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}", class_="watch")


def _cause(seen: SeenSite | None) -> Content:
    """What the ledger says of the last answer that was no good: a code, and behind a click our own words on it."""
    if seen is None or not seen.drops:
        return MISSING
    last = seen.drops[-1]
    at = f"round {last.round}, {last.what}" if last.round else last.what
    return details(f"{last.outcome} ({at})", dropped(seen))


def invitations(found: Federation, token: str) -> Html | None:
    """Who is invited, and whose key waits to be compared."""
    if not found.invited:
        return None
    rows = []
    for one in found.invited:
        until = time.strftime("%d %B %H:%M UTC", time.gmtime(one.until))
        if one.state == "to confirm":
            said: Content = together(
                [
                    "compare by telephone: ",
                    tag("code", one.key or ""),
                    form("/confirm", token, hidden("name", one.name), button("It is the same: register it")),
                ]
            )
        else:
            said = "ended, unused" if one.state == "ended" else f"invited, until {until}"
        rows.append((named(one.name), said))
    return section("Invited", rows_table("Invitations", ("hospital", "how it stands"), rows))


def status_line(found: Federation) -> Html:
    """Address, whether the coordinator answers, and the certificate's days."""
    runs: Mapping[bool | None, Html] = {
        True: tag("span", "running", class_="state good"),
        False: tag("span", "not running; start it: ", tag("code", "fedgraft coordinator start"), class_="state broken"),
        None: tag("span", "not asked", class_="state"),
    }
    days, state = found.certificate_days, found.certificate.state
    css = {"ok": None, "expiring": "state watch"}.get(state, "state broken")
    held = f"certificate: {days} days left" if days >= 0 else "certificate: expired"
    more = None if state == "ok" else together(["; renew it: ", tag("code", "fedgraft coordinator renew")])
    line = (tag("code", found.address), " ", runs[found.running], ", ", tag("span", held, more, class_=css))
    return paragraph(*line, class_="line")

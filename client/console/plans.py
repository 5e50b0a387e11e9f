"""Plans at a site: what waits for a person, and what was decided."""

from __future__ import annotations

from fedgraft.client.approval.deciding import Waiting
from fedgraft.client.overview.overview import Decided, Overview
from fedgraft.common.drawing.markup import Content, Html, details, named, paragraph, section, tag, together
from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.web.frame import button, field, form, hidden, rows_table

SHOWN = 16
"""Figures of a digest, as ``fedgraft site pending`` shows them."""
_HEAD = ("plan", "came", "asked by", "what", "to do")
_CSS = {"approved": "state good", "refused": "state broken", "revoked": "state broken"}


def asked_part(found: Overview, token: str) -> Html:
    """What waits for a person, and what the site's bounds refused."""
    if found.log:
        return section("Asked", tag("div", "The log of decisions can't be trusted: ", found.log, class_="told wrong"))
    return section("Asked", together([_asked(found, token), _refused_by_bounds(found, token)]))


def _asked(found: Overview, token: str) -> Html:
    if found.approval != "ask":
        return paragraph(f"Nobody is asked: site.yaml has approval: {found.approval}.")
    if not found.waiting:
        return paragraph("No plan waits for a decision.")
    rows = [_came(one, found.coordinator, token, "Read it, then decide") for one in found.waiting]
    return rows_table("Plans that wait", _HEAD, rows)


def _refused_by_bounds(found: Overview, token: str) -> Html | None:
    if not found.beyond:
        return None
    rows = [_came(one, found.coordinator, token, "Read which") for one in found.beyond]
    about = "They ask for more than `bounds` in site.yaml allow, and are refused whoever approves them."
    return together([rows_table("Plans that site.yaml refuses", _HEAD, rows), paragraph(about)])


def _came(one: Waiting, coordinator: str | None, token: str, text: str) -> tuple[Content, ...]:
    plan = hidden("plan", one.plan)
    return (
        tag("code", one.plan[:SHOWN]),
        clock_time(one.came),
        named(coordinator or "no coordinator"),
        tag("span", named(one.backbone), f", {one.rounds} rounds"),
        form("/review", token, plan, button(text, id_=f"review-{one.plan[:8]}")),
    )


def decided_part(found: Overview, token: str) -> Html | None:
    """What was decided, and by whom; an approval can be revoked."""
    if not found.decided:
        return None
    shown: set[str] = set()
    rows = []
    for one in found.decided:
        newest = one.plan not in shown
        shown.add(one.plan)
        rows.append(_decided(one, newest, token))
    head = ("plan", "when", "decision", "by", "stands now", "to do")
    return section("Decided", rows_table("Decisions", head, rows))


def _decided(one: Decided, newest: bool, token: str) -> tuple[Content, ...]:
    more = f", until {one.until}" if one.until else f": {one.why}" if one.why else ""
    standing = tag("span", one.standing, class_=_CSS.get(one.standing, "state")) if newest else None
    may_end = newest and one.standing == "approved"
    return (
        tag("code", one.plan[:SHOWN]),
        one.time.replace("T", " ").removesuffix("Z"),
        f"{one.what}{more}",
        named(one.by),
        standing,
        details("revoke", _refusal("/revoke", one.plan, "Revoke", token)) if may_end else None,
    )


def decision_forms(plan: str, checked: bool, token: str) -> Html:
    """Yes or no, below what a plan would do and tell; or first the check, unless that is above."""
    yes = form(
        "/approve",
        token,
        hidden("plan", plan),
        field("by", "Who approves", required="required", maxlength="100", autocomplete="name"),
        field("purpose", "For what", hint="empty: training this plan's model", maxlength="200"),
        field("until", "Until the end of", hint="empty: until it is revoked", type="date"),
        tag("p", button("Approve this plan")),
    )
    measure = form(
        "/review",
        token,
        hidden("plan", plan),
        hidden("check", "yes"),
        paragraph("What it would need here, measured on this site's own cases: minutes, memory, bytes, groups."),
        button("Check it on our data", "quiet", id_="check-it"),
    )
    no = _refusal("/refuse", plan, "Refuse this plan", token)
    return together([None if checked else section("Not sure", measure), section("Yes", yes), section("No", no)])


def _refusal(action: str, plan: str, text: str, token: str) -> Html:
    at = f"{action.strip('/')}-{plan[:8]}"
    return form(
        action,
        token,
        hidden("plan", plan),
        field("by", "Who decides", at=f"{at}-by", required="required", maxlength="100", autocomplete="name"),
        field("why", "Why", at=f"{at}-why", hint="kept here; never sent", required="required", maxlength="300"),
        tag("p", button(text, "grave")),
    )

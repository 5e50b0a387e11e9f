"""The registered hospitals as the coordinator knows them now: one list for the commands, their JSON and the console."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fedgraft.common.runtime.moments import ago
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import Folder, RegisteredSite, read_sites
from fedgraft.server.deployment.plain_table import plain_table
from fedgraft.server.deployment.public.announced import Announced, read_announced
from fedgraft.server.deployment.public.silence import SILENT_SECONDS, silent_since

Approval = Literal["unknown", "any plan", "asks", "approved", "refused", "waiting"]
"""Whether a hospital does what a plan asks: it does whatever comes, a person there decides (``asks``, as long as there
is no run), approved or refused the plan of the run, or the plan waits for that."""
NOBODY = "no site is registered yet; `fedgraft coordinator invite DIR NAME` makes the line by which one joins"
NOBODY_BUT_INVITED = "no site is registered yet; who was invited joins with the line that `invite` printed:"


@dataclass(frozen=True)
class Hospital:
    """A registered site.

    Attributes:
        state: ``online``, ``silent``, ``offline``, ``registered`` or ``unregistered``; ``unknown`` while the
            coordinator does not run; without Flower's word ``online`` if it was heard lately.
        heard: seconds since it told of itself last; ``None`` if it never did.
        version: of fedgraft there.
        ahead: seconds by which its clock is ahead of the coordinator's, to a second.
        cases: lines of its manifest as it tells them, to two figures.
        most_cases: training cases that were confirmed with it, and for which it counts at most.
    """

    name: str
    state: str
    heard: float | None
    version: str | None
    ahead: float | None
    kind: str | None
    cases: int | None
    most_cases: int | None
    approval: Approval
    node: str
    key: str


def hospitals(folder: Folder, states: Mapping[str, str] | None, now: float, plan: str = "") -> tuple[Hospital, ...]:
    """All registered sites, in the order of registration.

    Args:
        states: Flower's, by node id; ``None`` if it was not asked.
        now: seconds since 1970.
        plan: the digest of the plan of the present run, if there is one.
    """
    registered, announced = read_sites(folder), read_announced(folder)
    silent = silent_since((site.name for site in registered), announced, now)
    return tuple(
        _hospital(site, announced.get(site.name), states, site.name in silent, now, plan) for site in registered
    )


def _hospital(
    site: RegisteredSite,
    told: Announced | None,
    states: Mapping[str, str] | None,
    silent: bool,
    now: float,
    plan: str,
) -> Hospital:
    heard = None if told is None else now - told.received
    if states is None:
        state = "unknown" if heard is None else "online" if heard <= SILENT_SECONDS else "silent"
    else:
        state = states.get(site.node_id, "unknown")
    facts = None if told is None else told.facts
    return Hospital(
        name=site.name,
        state="silent" if state == "online" and silent else state,
        heard=heard,
        version=None if facts is None else facts.fedgraft,
        ahead=None if told is None else told.ahead,
        kind=None if facts is None else facts.kind,
        cases=None if facts is None else facts.cases,
        most_cases=site.cases,
        approval=_approval(told, plan),
        node=site.node_id,
        key=site.fingerprint,
    )


def _approval(told: Announced | None, plan: str) -> Approval:
    if told is None:
        return "unknown"
    if told.facts.approval == "all":
        return "any plan"
    if not plan:
        return "asks"
    if plan in told.facts.refused:
        return "refused"
    return "approved" if plan in told.facts.approved else "waiting"


def hospital_table(found: Sequence[Hospital]) -> str:
    """The sites as a text table: name, state, when it was heard last, the cases that it tells of, for how many training
    cases it counts (``--cases`` of `register`), node id and key fingerprint, one a line. A site that
    Flower counts as online, but that was not heard lately, is ``silent``."""
    rows = []
    for one in found:
        heard = "never" if one.heard is None else f"{ago(one.heard)} ago"
        told = "not told" if one.cases is None else f"about {one.cases}"
        most = "any number" if one.most_cases is None else f"{one.most_cases} at most"
        rows.append((one.name, one.state, heard, told, most, one.node, one.key))
    return (
        plain_table(("site", "state", "last heard", "cases told", "counts for", "node", "key"), rows)
        if rows
        else NOBODY
    )


def site_table(folder: Folder) -> str:
    """The registered sites as a text table.

    Raises:
        DeploymentError: the coordinator is not running.
    """
    return hospital_table(hospitals(folder, orders.node_states(folder), time.time()))

"""The end of a membership: no plan is carried out any more, what is kept of cases goes, the coordinator is told."""

from __future__ import annotations

import time

from fedgraft.client.approval.decisions import REVOKED, Decisions
from fedgraft.client.audit.heads import chain_of
from fedgraft.client.cohort.enrolment.withdrawn import LEFT, LOG, nobody_takes_cases_in
from fedgraft.client.membership.asking import ask
from fedgraft.client.site.site_file import Coordinator, SiteFile
from fedgraft.client.withdrawal.kept import Removed, remove_kept
from fedgraft.common.membership import leaving


def end_here(site: SiteFile, by: str) -> tuple[int, Removed]:
    """End it at this site: approvals are revoked, what is kept of cases is removed, and the log says so.

    Returns:
        how many approvals were revoked, and what was removed.

    Raises:
        DataError: a log was changed.
    """
    decisions = Decisions(site)
    approved = decisions.approved() if site.approval == "ask" else ()
    for plan in approved:
        decisions.write(REVOKED, plan, by, {"why": "the site left"})
    with nobody_takes_cases_in(site.state):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        chain_of(site.state, LOG).append({"time": stamp, "what": LEFT, "by": by})
        return len(approved), remove_kept(site)


def tell(coordinator: Coordinator) -> bool:
    """Have the coordinator unregister the site; false if it knows the key no more.

    Raises:
        DeploymentError: it can't be reached, or does not do it.
    """
    return ask(coordinator, leaving(), coordinator.key)

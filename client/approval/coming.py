"""A plan that comes to a site: whether it may be carried out, and that it is kept for people to look at if not."""

from __future__ import annotations

from fedgraft.client.approval.decisions import APPROVED, FROM, Decisions
from fedgraft.client.approval.follows import follows
from fedgraft.client.fence.plan_bounds import require_plan_within
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import BoundsError
from fedgraft.common.plan.plan import Plan, load_plan


def require_within(site: SiteFile, plan: Plan, *, keep: bool) -> None:
    """That a plan which came stays within the site's ``bounds``.

    Args:
        keep: one that does not is kept, for people to look at.

    Raises:
        BoundsError: names every option that asks for more, with its value.
    """
    try:
        require_plan_within(plan, site.bounds)
    except BoundsError:
        if keep:
            Decisions(site).keep_beyond(plan)
        raise
    Decisions(site).forget_beyond(plan)


def require_approved(site: SiteFile, plan: Plan) -> None:
    """That a plan which came may be carried out; one that waits is kept, for people to look at. What `follows` from an
    approved plan is approved with it.

    Raises:
        UnapprovedError, PlanRefusedError, DataError: as `Decisions.require`.
    """
    decisions = Decisions(site)
    if site.approval == "ask":
        decisions.keep_pending(plan)
        if decisions.standing(plan.digest) == "unknown":
            _take_over(decisions, plan)
    decisions.require(plan.digest)


def _take_over(decisions: Decisions, plan: Plan) -> None:
    """Note that a plan `follows` from an approved one, if it does."""
    for before in reversed(decisions.approved()):
        kept = decisions.kept_at(before)
        if kept.is_file() and follows(plan, load_plan(kept), decisions.site.trusted):
            line = decisions.last(before)
            assert line is not None, "it is approved"
            about = {FROM: before, **({"receipt": line["receipt"]} if "receipt" in line else {})}
            decisions.write(APPROVED, plan.digest, line["by"], about)
            return

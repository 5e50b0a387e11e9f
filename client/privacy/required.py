"""What a site refuses to tell at all, because it would leave without noise."""

from __future__ import annotations

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PrivacyError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps

UPDATE = "an update"


def require_private_plan(plan: Plan, site: SiteFile) -> None:
    """
    Raises:
        PrivacyError: the site has a budget, and the plan promises nothing, or only against those who see the model.
    """
    if site.privacy is not None and plan.privacy.by_site and not plan.aggregation.secure:
        raise PrivacyError(
            "site.yaml has a `privacy` budget, and with privacy=site and aggregation=plain the coordinator sees this "
            "site's updates without noise; the plan must have aggregation=secure"
        )
    if site.privacy is not None and not plan.privacy.on:
        raise PrivacyError(
            "site.yaml has a `privacy` budget, and the plan has privacy=none: nothing is told without noise here"
        )


def require_unpromised(plan: Plan, what: str) -> None:
    """Refuse what has no noise, whatever is asked, in a run that promises privacy.

    Args:
        what: the kind of answer, for the error's text.

    Raises:
        PrivacyError: the plan has ``privacy=record`` or ``site``, and it is no update with noise.
    """
    if plan.privacy.on and not ((plan.privacy.by_site or by_steps(plan)) and what == UPDATE):
        raise PrivacyError(f"the plan has privacy={plan.privacy.unit}, and {what} would leave without noise")

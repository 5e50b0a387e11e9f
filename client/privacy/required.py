"""What a site refuses to tell at all, because it would leave without noise."""

from __future__ import annotations

from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PrivacyError
from fedgraft.common.plan.plan import Plan


def require_private_plan(plan: Plan, site: SiteFile) -> None:
    """
    Raises:
        PrivacyError: the site has a budget, and the plan promises nothing.
    """
    if site.privacy is not None and not plan.privacy.on:
        raise PrivacyError(
            "site.yaml has a `privacy` budget, and the plan has privacy=none: nothing is told without noise here"
        )


def require_unpromised(plan: Plan, what: str) -> None:
    """Refuse what has no noise, whatever is asked, in a run that promises privacy.

    Args:
        what: the kind of answer, for the error's text.

    Raises:
        PrivacyError: the plan has ``privacy=record``.
    """
    if plan.privacy.on:
        raise PrivacyError(f"the plan has privacy={plan.privacy.unit}, and {what} would leave without noise")

"""The command ``fedgraft site privacy``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from fedgraft.client.account.privacy import Charge, PrivacyAccount, spent
from fedgraft.client.site.privacy_budget import PrivacyBudget
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.privacy.accountant import epsilon
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Shows this site's privacy account (state/privacy.jsonl): the runs that were promised differential privacy, what each
promised a patient, what all of them do together, and what is left of the `privacy` budget in site.yaml. Nothing is
sent.
"""
_DELTA = 1e-5


def add_options(parser: argparse.ArgumentParser) -> None:
    """None besides ``--site``, which is every site command's."""


def run(given: argparse.Namespace) -> int:
    """Print the account.

    Raises:
        SiteFileError: the site's file is wrong.
        DataError: the account was changed.
    """
    for line in account_lines(read_site_file(given.site), time.time()):
        say(line)
    return 0


def account_lines(site: SiteFile, now: float) -> Iterator[str]:
    """The account in words.

    Args:
        now: seconds since 1970.
    """
    budget = site.privacy
    delta = _DELTA if budget is None else budget.delta
    charges = PrivacyAccount(site.state).charges()
    if not charges:
        yield f"{site.name}: no run was charged"
    for one in charges:
        day = time.strftime("%Y-%m-%d", time.gmtime(one.time))
        shared = " (shared in secure sums)" if any(told.shared for told in one.releases) else ""
        answers = sum(told.times for told in one.releases)
        yield (
            f"{day}  plan {one.plan[:12]}  {answers} noisy sums{shared}: epsilon {epsilon(one.releases, delta):.3g} "
            f"with delta {delta:g}"
        )
    yield from _together(charges, budget, delta, now)


def _together(charges: Sequence[Charge], budget: PrivacyBudget | None, delta: float, now: float) -> Iterator[str]:
    if charges:
        yield f"all runs together: epsilon {spent(charges, delta):.3g} with delta {delta:g}"
    if budget is None:
        yield "no budget: plans without differential privacy are answered too (`privacy` in site.yaml sets one)"
        return
    counted = [one for one in charges if one.time >= budget.since(now)]
    used = spent(counted, delta)
    yield (
        f"budget: epsilon {budget.epsilon:g} per {budget.per}; {used:.3g} are spent, and a run is answered as long as "
        f"all together stay within it"
    )

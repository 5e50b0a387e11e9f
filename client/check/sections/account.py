"""Who decides over the parts of the cohort, who waits or rests, and how much the site has answered."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.cohort.case import SPLITS
from fedgraft.client.cohort.enrolment.enrolled import Enrolled
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.plan.data_sections import DataSection


def describe_account(site: SiteFile, case_table: CaseTable, enrolled: Enrolled, data: DataSection | None) -> Section:
    """The section on the site's secret, its fractions and its account.

    Args:
        data: the plan's section, if there is a plan.
    """
    return Section(
        "the account", (*_secret(site, enrolled), *_fractions(enrolled, data), *_takers(case_table, enrolled))
    )


def _secret(site: SiteFile, enrolled: Enrolled) -> Iterator[Finding]:
    if enrolled.roll.secret.simulated and site.coordinator is not None:
        yield Finding(
            "warning",
            "secret",
            "who is in which part follows from the seed of a simulation, which others know",
            "begin with a new, empty state folder: it gets a secret of its own",
        )


def _fractions(enrolled: Enrolled, data: DataSection | None) -> Iterator[Finding]:
    if data is None or enrolled.own_fractions(data) is None:
        return
    yield Finding(
        "warning",
        "split",
        f"here {enrolled.roll.fractions}; the plan's data.val_fraction={data.val_fraction:g} and "
        f"data.test_fraction={data.test_fraction:g} are without effect",
        "nothing, if the site's own are right; they hold for patients who are new from now on",
    )


def _takers(case_table: CaseTable, enrolled: Enrolled) -> Iterator[Finding]:
    file = enrolled.roll.file
    answers = 0 if file is None or not file.exists() else enrolled.roll.book.answers()
    if not answers or case_table.splits is None:
        yield Finding("ok", "account", "nothing was answered yet: the first run takes all patients")
        return
    told, least = [], enrolled.roll.least
    for name in SPLITS:
        waiting, resting = enrolled.outside(name, [case_table.cases[at] for at in case_table.positions(name)])
        if waiting or resting:
            told.append(f"{name}: {waiting} wait, {resting} rest")
    text = f"{count_of(answers, 'different answer')} so far; " + ("; ".join(told) or "every patient takes part")
    more = (
        f"patients wait until {least} have gathered, and rest until {least} were withdrawn (docs/trust.md)"
        if told
        else ""
    )
    yield Finding("ok", "account", text, more)

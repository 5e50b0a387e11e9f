"""This site's own training statistics, in place of a plan's federated ones while these are not known yet.

With them the network can be built and timed. A run uses the statistics of all sites. These here never leave the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedgraft.client.check.formatting import count_of
from fedgraft.client.check.report import Finding
from fedgraft.client.site.release import of_enough_patients, release_statistics
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.encoding import Row
from fedgraft.common.tables.statistics import Moments, TableStatistics, count_patients, describe, resolved

_OF_NOTHING, _WORD = Moments(1, 0.0, 0.0), {"-": 1}


def stand_in(plan: Plan, table: TableSection, rows: Sequence[Row]) -> Plan:
    """The plan with the statistics of ``rows``; a column without any value gets mean 0 and deviation 1.

    Raises:
        PlanError: a column's numbers can't be used.
    """
    known = describe(rows, table).at_least(1)
    numeric = tuple(one if one.count else _OF_NOTHING for one in known.numeric)
    filled = TableStatistics(numeric, tuple(counts or _WORD for counts in known.categories))
    return replace(plan, table=resolved(table, filled))


def what_is_told(table: TableSection, rows: Sequence[Row], patients: Sequence[str], site: SiteFile) -> Finding:
    """A finding on what this site would send when asked for statistics (`fedgraft.client.app.statistics`)."""
    what = "statistics"
    own = f"for the network and times below they are reckoned from the {count_of(len(rows), 'training row')} here"
    if not site.release.statistics:
        text = f"table.statistics=federated, and release.statistics is false: this site tells nothing; {own}"
        return Finding("ok", what, text)
    enough = of_enough_patients(describe(rows, table), count_patients(rows, patients, table), table, site.release)
    told = release_statistics(enough, table, site.release)
    silent = [name for name, one in zip(table.numeric, told.numeric, strict=True) if not one.count]
    silent += [name for name, counts in zip(table.categorical, told.categories, strict=True) if not counts]
    number = len(table.numeric) + len(table.categorical)
    text = f"table.statistics=federated: sums of {number - len(silent)} of {count_of(number, 'column')} will be told"
    least = max(table.min_count, site.release.min_count)
    if silent:
        text += f", of the others there are fewer than {least} cases or patients"
    return Finding("ok", what, f"{text}; {own}")

"""Statistics of this site alone, to build and time a network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.check.sections.statistics import stand_in, what_is_told
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.encoding import Row

TABLE = TableSection(("bp", "ph"), ("sex", "ward"), (), indicate_missing=False, statistics="federated", min_count=2)
ROWS = [Row(np.array([value, np.nan]), (sex, "")) for value, sex in ((1.0, "F"), (3.0, "M"), (5.0, "F"))]
SITE = SiteFile("north", Path("/m.csv"), Path("/state"), release=ReleasePolicy(min_count=1))


def test_by_hand(compose_plan: Callable[..., Plan]) -> None:
    """Mean 3, variance (4 + 0 + 4) / 3; nothing is known of ``ph`` and ``ward``."""
    table = stand_in(replace(compose_plan(), table=TABLE), TABLE, ROWS).table
    assert table is not None and table.statistics == "plan"
    assert table.means == {"bp": 3.0, "ph": 0.0}
    assert table.deviations == pytest.approx({"bp": (8 / 3) ** 0.5, "ph": 1.0})
    assert table.vocabulary == {"sex": ("F", "M"), "ward": ("-",)}


def test_what_leaves() -> None:
    assert str(what_is_told(TABLE, ROWS, ["a", "b", "c"], SITE)) == (
        "ok       statistics: table.statistics=federated: sums of 2 of 4 columns will be told, of the others there are "
        "fewer than 2 cases or patients; for the network and times below they are reckoned from the 3 training rows "
        "here"
    )


def test_a_site_that_tells_nothing() -> None:
    silent = replace(SITE, release=ReleasePolicy(statistics=False))
    assert what_is_told(TABLE, ROWS, ["a", "b", "c"], silent).text == (
        "table.statistics=federated, and release.statistics is false: this site tells nothing; for the network and "
        "times below they are reckoned from the 3 training rows here"
    )

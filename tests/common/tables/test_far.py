"""Numbers of a case beyond ten deviations of the hospitals' means."""

import numpy as np

from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.far import beyond


def test_by_hand() -> None:
    table = TableSection(
        ("age", "bp"),
        (),
        missing=(),
        indicate_missing=False,
        statistics="plan",
        min_count=1,
        means={"age": 50.0, "bp": 130.0},
        deviations={"age": 10.0, "bp": 2.0},
    )
    rows = np.array([[150.0, 110.0], [150.5, 109.0], [np.nan, 1e9], [-50.1, np.nan]])
    assert beyond(table, rows).tolist() == [[False, False], [True, True], [False, True], [True, False]]

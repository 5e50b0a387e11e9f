"""Numbers of new cases that are far from what the hospitals' tables had, by the means and deviations of the plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.plan.data_sections import TableSection

DEVIATIONS = 10.0
"""Beyond so many deviations from the mean lies at most one of 100 of the hospitals' values (Chebyshev's inequality)."""
FAR_VALUE = "a value far outside what the hospitals' tables had"
IS_FAR = "is far outside what the hospitals' tables had"


def beyond(table: TableSection, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which numbers are farther than `DEVIATIONS` from the mean of the hospitals' tables.

    Args:
        table: with the means and deviations of all hospitals.
        numbers: ``(N, columns)`` in the order of ``table.numeric``, NaN where missing.

    Returns:
        ``(N, columns)`` bool.
    """
    mean = np.array([table.means[name] for name in table.numeric], np.float64)
    deviation = np.array([table.deviations[name] for name in table.numeric], np.float64)
    found: NDArray[np.bool_] = np.abs(numbers - mean) > DEVIATIONS * deviation
    return found

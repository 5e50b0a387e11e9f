"""How much a site weighs in a mean."""

from __future__ import annotations

import pytest

from fedgraft.server.bounds.weights import capped, counted


def test_nobody_counts_for_more_cases_than_are_registered() -> None:
    assert counted({"north": 1000, "south": 50}, {"north": 100, "south": 60}) == {"north": 100, "south": 50}
    assert counted({"north": 1000}, {}) == {"north": 1000}


@pytest.mark.parametrize(
    ("weights", "share", "expected"),
    [
        ([1313, 451, 178], 0.75, [1313, 451, 178]),  # 68 %: the largest hospital of breast_us
        ([10_000, 60, 40], 0.75, [300, 60, 40]),
        ([60, 10_000, 40], 0.5, [60, 100, 40]),
        ([900, 800, 10, 10], 0.4, [40, 40, 10, 10]),
        ([900, 100], 0.75, [900, 100]),  # of two nobody can say which is too large
        ([5, 5, 50], 0.3, [5, 5, 50]),  # three sites can't keep to less than a third each
        ([1, 1, 10**9], 0.75, [1, 1, 6]),
    ],
)
def test_no_site_weighs_more_than_its_share(weights: list[int], share: float, expected: list[int]) -> None:
    found = capped(weights, share)
    assert found == expected
    if found != weights:
        assert max(found) <= share * sum(found) + 1e-9

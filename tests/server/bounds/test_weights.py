"""How much a site weighs in a mean."""

from __future__ import annotations

import pytest

from fedgraft.common.wire.offer import Offer
from fedgraft.server.bounds.weights import believed, capped, counted


def test_nobody_counts_for_more_cases_than_are_registered() -> None:
    assert counted({"north": 1000, "south": 50}, {"north": 100, "south": 60}) == {"north": 100, "south": 50}
    assert counted({"north": 1000}, {}) == {"north": 1000}


def test_class_counts_keep_their_proportions_and_lose_what_is_not_registered() -> None:
    liar = Offer("north", "digest", True, 1000, (900, 99, 1, 0))
    honest = Offer("south", "digest", True, 50, (20, 30, 0, 0))
    silent = Offer("west", "digest", True, 1000, None)
    first, *others = believed([liar, honest, silent], {"north": 100, "south": 50, "west": 10})
    assert first.class_counts == (90, 9, 1, 0)
    assert first.examples == 1000  # the guard compares what comes with what was told
    assert others == [honest, silent]


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

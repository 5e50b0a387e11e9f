"""Units: by hand, and against scipy's connected components."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.units import by_unit, unit_names


def cases(*links: str) -> list[Case]:
    """``"p1 g1"``: a case of patient p1 in group g1; ``"p1"``: without a group."""
    parts = [link.split() for link in links]
    return [Case(f"/{i}", "a", one[0], group=one[1] if len(one) > 1 else None) for i, one in enumerate(parts)]


def test_without_groups_the_patient() -> None:
    assert unit_names(cases("p2", "p1", "p2")) == ["p2", "p1", "p2"]
    assert unit_names([]) == []


def test_groups_and_patients_that_link_each_other() -> None:
    """p1 is in g1 and g2, so they are one; its case without a group follows; g3 holds p4 and p5; p6 is alone."""
    names = unit_names(cases("p1 g2", "p1 g1", "p1", "p2 g2", "p3 g1", "p4 g3", "p5 g3", "p6"))
    assert names == ["g1", "g1", "g1", "g1", "g1", "g3", "g3", "p6"]


def test_a_patient_called_as_a_group_of_others_is_not_in_it() -> None:
    assert unit_names(cases("1", "2 1", "3 1", "1")) == ["1\n", "1", "1", "1\n"]
    assert unit_names(cases("1 1", "2 1")) == ["1", "1"]


def test_cases_of_each_unit() -> None:
    some = cases("p1 g1", "p2", "p1")
    assert by_unit(some) == {"g1": [some[0], some[2]], "p2": [some[1]]}


@pytest.mark.parametrize("seed", range(20))
def test_the_same_parts_as_scipy_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patients, groups = rng.integers(0, 30, 50), rng.integers(-15, 15, 50)
    some = [
        Case(f"/{i}", "a", f"{p}", group=f"{g}" if g >= 0 else None)
        for i, (p, g) in enumerate(zip(patients, groups, strict=True))
    ]
    has = groups >= 0
    graph = coo_array((np.ones(has.sum()), (patients[has], 30 + groups[has])), shape=(45, 45))
    expected = connected_components(graph, directed=False)[1][patients]
    names = np.array(unit_names(some))
    assert np.array_equal(names[:, None] == names, expected[:, None] == expected)
    order = rng.permutation(50)
    assert unit_names([some[i] for i in order]) == names[order].tolist()

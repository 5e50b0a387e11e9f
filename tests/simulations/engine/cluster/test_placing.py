"""Where sites are placed, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.simulations.engine.cluster.placing import Node, Placed, Seat, homeless, seated


def sites(*weights: int) -> list[Placed]:
    return [Placed(Path(f"/run/sites/site-{place}/site.yaml"), weight) for place, weight in enumerate(weights)]


def nodes(**seats: int) -> list[Node]:
    return [Node(key, f"node {key}", number) for key, number in seats.items()]


def test_the_largest_sites_come_first_each_to_the_seat_with_least_to_do() -> None:
    """7 -> a0, 5 -> b0 (nodes before second processes), 4 -> a1 (0), 3 -> a1 (4 against 5 and 7)."""
    found = seated(sites(4, 7, 3, 5), range(4), nodes(a=2, b=1), {})
    assert found == {1: Seat(0, "a"), 3: Seat(0, "b"), 0: Seat(1, "a"), 2: Seat(1, "a")}


def test_who_moves_goes_beside_those_who_stay() -> None:
    load = {Seat(0, "a"): 9, Seat(0, "b"): 5, Seat(0, "gone"): 0}
    assert seated(sites(9, 5, 3, 2), (2, 3), nodes(a=1, b=1), load) == {2: Seat(0, "b"), 3: Seat(0, "b")}


def test_a_site_goes_where_its_data_is_and_first_to_a_node_that_names_it() -> None:
    there = [
        Node("a", "a", 1, unseen={0: "/data/x.png"}),
        Node("b", "b", 1),
        Node("c", "c", 1, named=frozenset({"site-1", "site-2"}), unseen={2: "/data/z.png"}),
    ]
    found = seated(sites(1, 9, 8), range(3), there, {})
    assert found == {1: Seat(0, "c"), 2: Seat(0, "a"), 0: Seat(0, "b")}


def test_a_site_whose_data_no_node_sees_is_named_with_the_files() -> None:
    there = [Node("a", "a", 1, unseen={1: "/data/x.png"}), Node("b", "b", 2, unseen={1: "/data/y.png"})]
    found = seated(sites(1, 1), range(2), there, {})
    assert set(found) == {0}
    assert homeless(sites(1, 1), [1], there) == [
        "no node sees the data of site-1 (not there: /data/x.png on a, /data/y.png on b)"
    ]


@pytest.mark.parametrize("seats", [0, 1])
def test_a_node_without_processors_holds_no_site(seats: int) -> None:
    named = Node("b", "b", 0, named=frozenset({"site-0"}))
    found = seated(sites(1), [0], [*nodes(a=seats), named], {})
    assert found == ({0: Seat(0, "a")} if seats else {})

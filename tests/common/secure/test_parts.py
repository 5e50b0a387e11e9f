"""The grid, the shares and the graph of secure sums."""

import networkx
import numpy as np
import pytest

from fedgraft.common.errors import SecureError, SecureRangeError
from fedgraft.common.secure import shamir
from fedgraft.common.secure.fixed_point import as_values, as_words, grid_for, on_grid
from fedgraft.common.secure.layout import Scale, arrays_of, integers_of, parts_of, vector_of
from fedgraft.common.secure.neighbours import default_share, degree_of, neighbours_of, threshold_of


@pytest.mark.parametrize(
    ("bits", "most", "step"), [(32, 2.0**31 - 2**16, 1.0), (32, 2.0**31 - 1, 2.0), (64, 1.0, 2.0**-62)]
)
def test_the_finest_step_that_can_not_wrap_around(bits: int, most: float, step: float) -> None:
    assert grid_for(most, bits).step == step  # type: ignore[arg-type]


def test_words_are_two_s_complement_and_noise_goes_between() -> None:
    grid = grid_for(2.0**29, 32)
    assert grid.step == 0.5 and grid.modulus == 2**32
    integers = on_grid(np.array([0.5, -0.5, 0.26, 0.24, 0.25, 3.0]), grid.step)
    assert integers.tolist() == [1, -1, 1, 0, 0, 6]  # halves go to the even number
    words = as_words(integers + np.array([0, 0, 0, 0, -7, 0]), 32)
    assert words.tolist() == [1, 2**32 - 1, 1, 0, 2**32 - 7, 6]
    assert as_values(words, grid).tolist() == [0.5, -0.5, 0.5, 0, -3.5, 3]


def test_the_sum_is_the_plain_one_to_half_a_step_for_each_site() -> None:
    rng, scale = np.random.default_rng(0), Scale(cases=90, range=4.0)
    sites = [
        {"w": (rng.normal(size=(3, 4)) * 30).astype(np.float32), "loss": rng.normal(size=()) * 1e6} for _ in range(3)
    ]
    parts = parts_of(sites[0])
    assert [(part.name, part.shape, part.bits) for part in parts] == [("loss", (), 64), ("w", (3, 4), 32)]
    total = vector_of(integers_of(sites[0], 30, scale), parts)
    for site in sites[1:]:
        total.add(vector_of(integers_of(site, 30, scale), parts))
    found = arrays_of(total, parts, scale)
    assert scale.grid(32).step == 2.0**-22 and scale.grid(64).step == 2.0**-38
    for name, bits in (("w", 32), ("loss", 64)):
        wide = sum(site[name].astype(np.float64) for site in sites)
        assert np.abs(found[name] - wide).max() <= 3 * scale.grid(bits).step / 2  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [121.0, -121.0, np.nan, np.inf])
def test_what_is_out_of_range_is_refused_by_name(value: float) -> None:
    integers_of({"w": np.full(2, 120, np.float32)}, 30, Scale(90, 4.0))
    with pytest.raises(SecureRangeError, match=r"^w: a number is .* aggregation\.range"):
        integers_of({"w": np.array([0, value], np.float32)}, 30, Scale(90, 4.0))


def test_a_sum_of_another_length_is_refused() -> None:
    parts = parts_of({"w": np.zeros(3, np.float32)})
    other = vector_of({"w": np.zeros(2, np.int64)}, parts)
    with pytest.raises(SecureError, match="as long as its layout"):
        arrays_of(other, parts, Scale(1, 1.0))


def test_threshold_shares_give_secrets_back_and_wrong_ones_are_noticed() -> None:
    secrets = [bytes(range(32)), bytes([255] * 32)]
    shares = shamir.share(secrets, [3, 1, 900, 7], 3)
    assert shares.shape == (4, 2, 9) and int(shares.max()) < shamir.PRIME
    for places in ([0, 1, 2], [3, 2, 1], [0, 3, 1]):
        points = [[3, 1, 900, 7][place] for place in places]
        assert [shamir.restore(points, shares[places, one]) for one in range(2)] == secrets
    with pytest.raises(SecureError, match="too few"):
        shamir.restore([3, 1], shares[:2, 0])
    wrong = shares[:3, 0].copy()
    wrong[0, 0] ^= 1
    with pytest.raises(SecureError, match="one is wrong"):
        shamir.restore([3, 1, 900], wrong)


def test_too_few_shares_are_uniform() -> None:
    """Two shares of three, of the same secret 4,000 times: each is spread over the field as if there were no secret."""
    drawn = np.stack([shamir.share([bytes(32)], [1, 2, 3], 3)[:2, 0, 0] for _ in range(4000)])
    counts = np.histogram2d(drawn[:, 0], drawn[:, 1], bins=4, range=[[0, 2**31]] * 2)[0]
    assert np.abs(counts - 250).max() < 6 * np.sqrt(250)


@pytest.mark.parametrize(("points", "threshold"), [([1, 1], 2), ([0, 1], 2), ([1, 2], 3), ([1, 2], 0)])
def test_impossible_ways_to_share(points: list[int], threshold: int) -> None:
    with pytest.raises(ValueError, match="points differ"):
        shamir.share([bytes(32)], points, threshold)


def test_up_to_fifty_sites_all_are_neighbours() -> None:
    assert neighbours_of(3, default_share(3), b"") == [[1, 2], [0, 2], [0, 1]]
    assert [threshold_of(n, 2 / 3) for n in (2, 3, 4, 5, 7, 10, 50)] == [2, 2, 3, 4, 5, 7, 34]
    assert all(n - int(0.3 * n) >= threshold_of(n, 2 / 3) for n in range(4, 51))  # any 30 % may be lost


@pytest.mark.parametrize(("sites", "degree"), [(51, 28), (100, 46), (1000, 110)])
def test_above_the_graph_is_regular_connected_and_random(sites: int, degree: int) -> None:
    share = default_share(sites)
    assert share is None and degree_of(sites, share) == degree and threshold_of(degree + 1, share) == degree // 2 + 1
    near = neighbours_of(sites, share, b"seed")
    assert {len(set(one)) for one in near} == {degree}
    assert all(place in near[other] and place != other for place, one in enumerate(near) for other in one)
    graph = networkx.Graph([(place, other) for place, one in enumerate(near) for other in one])
    assert networkx.is_connected(graph)
    assert near != neighbours_of(sites, share, b"other")

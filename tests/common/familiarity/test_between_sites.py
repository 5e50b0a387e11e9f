"""How far sites lie apart: one number a case is Student's t test, labels make it an analysis of covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from fedgraft.common.errors import WireError
from fedgraft.common.familiarity.between_sites import PatientSums, distances, narrowed, sums_by_patient
from fedgraft.common.wire.familiarity import ToldByPatient, pack_by_patient, unpack_by_patient


def told(numbers: np.ndarray, labels: np.ndarray | None = None, patients: list[str] | None = None) -> PatientSums:
    shares = np.zeros((len(numbers), 0)) if labels is None else labels[:, None]
    names = patients or [str(place) for place in range(len(numbers))]
    return sums_by_patient(torch.tensor(numbers).double().reshape(len(numbers), -1), torch.tensor(shares), names)


def test_two_sites_and_one_number_are_student_s_t_test() -> None:
    """Means 2 and 5, variance within of 1 (8 over 8 degrees of freedom): t^2 = 9 / (2/5) = 22.5; 9 without the part
    that chance gives, (8 - 1 - 1) / 8 * 9 - 2/5 = 6.35."""
    one, other = np.array([1.0, 1, 2, 3, 3]), np.array([4.0, 4, 5, 6, 6])
    found = distances({"oak": told(one), "elm": told(other)})[("elm", "oak")]
    assert found.probability == pytest.approx(stats.ttest_ind(one, other).pvalue)
    assert found.deviations == pytest.approx(6.35**0.5)
    assert found.by_chance == pytest.approx((6 / 8 * stats.t.isf(0.005, 8) ** 2 * 2 / 5 - 2 / 5) ** 0.5)


def test_what_prevalence_explains_is_taken_out() -> None:
    """As the F test of a hospital's coefficient beside the label's, in one regression over both."""
    rng = np.random.default_rng(0)
    label = np.r_[np.arange(20) < 4, np.arange(30) < 21].astype(float)
    site = np.r_[np.zeros(20), np.ones(30)]
    number = 3 * label + rng.normal(size=50)
    found = distances({n: told(number[site == k], label[site == k]) for k, n in enumerate("ab")})[("a", "b")]
    with_site, without = np.c_[np.ones(50), label, site], np.c_[np.ones(50), label]
    left = [float(np.linalg.lstsq(one, number, rcond=None)[1][0]) for one in (with_site, without)]
    assert found.probability == pytest.approx(float(stats.f.sf((left[1] - left[0]) / (left[0] / 47), 1, 47)))
    plain = distances({n: told(number[site == k]) for k, n in enumerate("ab")})[("a", "b")]
    assert plain.probability < 1e-3 < found.probability
    mixed = distances({"a": told(number[:20], label[:20]), "b": told(number[20:])})[("a", "b")]
    assert mixed == plain, "a site that does not tell its labels takes all to be without"


def test_the_site_that_differs_is_found_and_the_others_are_not() -> None:
    rng = np.random.default_rng(1)
    features = {name: rng.normal(size=(60, 80)).astype(np.float32) for name in ("ash", "cedar", "fir", "oak")}
    features["cedar"][:, :20] += 1.0
    sums = {name: told(narrowed(torch.tensor(some), (40, 40)).numpy()) for name, some in features.items()}
    found = {pair for pair, one in distances(sums).items() if one.deviations > one.by_chance}
    assert found == {("ash", "cedar"), ("cedar", "fir"), ("cedar", "oak")}


def test_a_patient_counts_once_and_features_that_never_vary_not_at_all() -> None:
    one = sums_by_patient(torch.tensor([[1.0], [3], [5]]).double(), torch.zeros(3, 0).double(), ["p", "p", "q"])
    assert one.sums.cases == 2 and one.sums.mean.tolist() == [3.5] and one.sums.scatter.tolist() == [[4.5]]
    rng = np.random.default_rng(2)
    numbers = {name: np.c_[rng.normal(size=9), np.ones(9)] for name in "ab"}
    with_constant = distances({name: told(some) for name, some in numbers.items()})[("a", "b")]
    alone = distances({name: told(some[:, :1]) for name, some in numbers.items()})[("a", "b")]
    assert with_constant.probability == pytest.approx(alone.probability)
    assert distances({"a": one}) == {} == distances({"a": told(np.ones(3)), "b": told(np.ones(3))})


def test_few_numbers_stay_as_they_are_and_many_are_projected_to_32() -> None:
    assert narrowed(torch.ones(2, 32), ()).shape == (2, 32) and narrowed(torch.ones(2, 5), ()).tolist() == [[1] * 5] * 2
    features = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(narrowed(features, (50,)), narrowed(7 * features + 2, (50,)), atol=1e-4)
    assert narrowed(features, (20, 30)).shape == (3, 32)


def test_sums_travel_and_impossible_ones_are_refused() -> None:
    some = told(np.arange(6.0).reshape(3, 2), np.array([0.0, 1, 1]))
    answer = ToldByPatient("elm", "0" * 64, {"before": some})
    back = unpack_by_patient(pack_by_patient(answer), {"before": 2, "after": 2}, 1)
    assert (back.site, set(back.sums), back.sums["before"].labels) == ("elm", {"before"}, 1)
    assert torch.equal(back.sums["before"].sums.scatter, some.sums.scatter)
    with pytest.raises(WireError, match="of the plan's labels or of none"):
        unpack_by_patient(pack_by_patient(answer), {"before": 2, "after": 2}, 3)
    some.sums.scatter[0, 0] = -1
    with pytest.raises(WireError, match="a sum of squares can't be negative"):
        unpack_by_patient(pack_by_patient(answer), {"before": 2, "after": 2}, 1)

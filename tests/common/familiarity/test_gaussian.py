import numpy as np
import pytest
import torch

from fedgraft.common.familiarity.gaussian import WIDTH, projected, reference_of, sums_of


def drawn(seed: int, cases: int, width: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(cases, width)) * np.arange(1, width + 1))


def test_the_sums_of_parts_are_those_of_all_cases():
    rows = drawn(0, 60, 100)
    whole, parts = reference_of([sums_of(rows)]), reference_of([sums_of(rows[:7]), sums_of(rows[7:])])
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.precision, whole.precision, rtol=1e-6, atol=1e-9)


def test_distances_are_mahalanobis_s_of_the_drawn_covariance():
    rows = drawn(1, 500, 5).float()
    reference = reference_of([sums_of(rows)])
    covariance = np.cov(rows.numpy().astype(float).T, bias=True)
    share = 500 / 505
    inverse = np.linalg.inv(share * covariance + (1 - share) * np.diag(np.diag(covariance)))
    away = rows.numpy().astype(float) - rows.numpy().astype(float).mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", away, inverse, away) / 5
    assert reference.distances(rows).numpy() == pytest.approx(expected, rel=1e-4)
    assert reference.distances(rows).mean().item() == pytest.approx(1, abs=0.02)


def test_many_features_become_few_and_distances_between_cases_stay():
    rows = drawn(2, 40, 2000)
    few = projected(rows)
    assert few.shape == (40, WIDTH)
    assert torch.equal(few, projected(rows))
    ratio = torch.cdist(few, few)[0, 1:] / torch.cdist(rows, rows)[0, 1:]
    assert (ratio / ratio.mean()).min() > 0.5 and (ratio / ratio.mean()).max() < 1.5


def test_features_that_never_vary_do_no_harm():
    rows = torch.cat([drawn(3, 50, 3), torch.full((50, 1), 7.0, dtype=torch.float64)], dim=1)
    reference = reference_of([sums_of(rows)])
    assert torch.isfinite(reference.distances(rows)).all()
    strange = rows.clone()
    strange[:, 3] = 9
    assert (reference.distances(strange) > 1000).all()


def test_one_case_is_a_reference():
    rows = drawn(4, 1, 3)
    assert torch.isfinite(reference_of([sums_of(rows)]).distances(rows)).all()

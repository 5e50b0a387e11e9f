import numpy as np
import pytest
import torch

from fedgraft.common.familiarity.gaussian import WIDTH, Sums, projected, reference_of, scatter_around, sums_of


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


def test_the_scatter_of_two_parts_by_hand():
    """Two cases at (0, 0) and (2, 0), one at (4, 3): the mean is (2, 1)."""
    parts = [sums_of(torch.tensor([[0.0, 0.0], [2.0, 0.0]])), sums_of(torch.tensor([[4.0, 3.0]]))]
    found = scatter_around(torch.tensor([2.0, 1.0], dtype=torch.float64), parts)
    assert found.tolist() == [[4 + 0 + 4, 2 + 0 + 4], [2 + 0 + 4, 1 + 1 + 4]]


@pytest.mark.parametrize("width", [1, 5, 8, 31, 127, 128])
@pytest.mark.parametrize("parts", [1, 16, 70])
def test_the_scatter_is_that_of_all_matrices_at_once_to_the_last_bit(parts: int, width: int):
    sums = [sums_of(drawn(place, 2 + place % 5, width).float()) for place in range(parts)]
    mean = torch.stack([one.mean for one in sums]).mean(dim=0)
    between = [one.cases * torch.outer(one.mean - mean, one.mean - mean) for one in sums]
    whole = torch.stack([one.scatter + more for one, more in zip(sums, between, strict=True)]).sum(dim=0)
    for at_once in (1, 150 * parts, 2**22):
        assert torch.equal(scatter_around(mean, sums, at_once), whole)


def test_matrices_are_not_copied_all_at_once(monkeypatch: pytest.MonkeyPatch):
    """Of 300 parts of 128 x 128 numbers, 39 MB, less than 2 MiB is stacked at a time."""
    stacked = []
    real = torch.stack

    def stack(tensors: list[torch.Tensor]) -> torch.Tensor:
        found = real(tensors)
        stacked.append(found.numel())
        return found

    monkeypatch.setattr(torch, "stack", stack)
    one = torch.eye(WIDTH, dtype=torch.float64)
    parts = [Sums(1, torch.zeros(WIDTH, dtype=torch.float64), one) for _ in range(300)]
    found = scatter_around(torch.zeros(WIDTH, dtype=torch.float64), parts, 2**17)
    assert torch.equal(found, 300 * one)
    assert max(stacked) < 2 * 2**17

"""AdaSSP: without noise it is the ridge regression, and with noise what an independent computation gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.sums import noisy_start
from fedgraft.common.heads.heads import Cosine, Linear
from fedgraft.common.heads.noisy_ridge import NoisyRidge
from fedgraft.common.heads.ridge import Ridge, square_of
from fedgraft.common.interfaces.head_start import BearsNoise

BUILT = {"weight": torch.zeros(3, 5), "bias": torch.zeros(3)}


def cases(count: int = 60) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    labels = torch.arange(count) % 3
    return torch.randn(count, 5) + labels[:, None] * torch.tensor([1.0, -0.5, 0.0, 0.3, 0.0]), labels


def test_without_noise_it_is_the_ridge_regression() -> None:
    start, plain = NoisyRidge(2.0, 4.0), Ridge(2.0, balanced=False, scale=4.0, sketch=None, every_site=False)
    assert isinstance(start, BearsNoise)
    features, labels = cases()
    sums, expected = start.sums(features, labels, 3), plain.sums(features, labels, 3)
    assert sums.keys() == expected.keys() and all(torch.allclose(sums[name], expected[name]) for name in sums)
    for name, tensor in start.head(sums, BUILT).items():
        torch.testing.assert_close(tensor, plain.head(expected, BUILT)[name])
    assert NoisyRidge.misfit(Linear(5, 3, False), {}) == "" and "head=cosine" in NoisyRidge.misfit(
        Cosine(5, 3, 1.0), {}
    )


def test_with_noise_it_is_adassp_by_numpy() -> None:
    """Sums that were told, and the noise that is in them: 4.0 in units of sqrt(2), with features as x / sqrt(5)."""
    features, labels = cases()
    told = NoisyRidge(1e-6, 1.0).sums(features, labels, 3)
    drawn = np.random.default_rng(0)
    told = {name: tensor + torch.from_numpy(drawn.standard_normal(tensor.shape)) for name, tensor in told.items()}
    told["counts"] = torch.tensor([21.0, 18.0, 22.0], dtype=torch.float64)
    found = NoisyRidge(1e-6, 1.0).bearing(4.0).head(told, BUILT)
    products = np.zeros((5, 5))
    products[np.triu_indices(5)] = told["moments"].numpy()
    products = products + np.triu(products, 1).T
    beside = 4.0 * np.sqrt(2) * 5 / np.sqrt(2)  # deviation of an entry that is not on the diagonal
    least = max(0.0, np.linalg.eigvalsh(products)[0])
    added = max(1e-6, 2 * np.sqrt(5) * beside - least)
    counts, sums = told["counts"].numpy(), told["sums"].numpy()
    mean, all_ = sums.sum(0) / counts.sum(), counts.sum()
    scatter = products - all_ * np.outer(mean, mean) + added * np.eye(5)
    weight = np.linalg.solve(scatter, (sums - np.outer(counts, mean)).T).T
    assert added > 1e-6
    assert found["weight"].numpy() == pytest.approx(weight, rel=1e-4, abs=1e-6)
    assert found["bias"].numpy() == pytest.approx(counts / all_ - weight @ mean, rel=1e-4, abs=1e-6)


def test_the_spread_is_that_of_the_largest_eigenvalue() -> None:
    start = NoisyRidge(1.0, 1.0).bearing(0.7)
    width, drawn = 200, np.random.default_rng(1)
    unit = start.units(2, width)["moments"]
    noise = square_of(torch.from_numpy(drawn.standard_normal(unit.shape)) * unit * 0.7 * start.most(), width)
    assert float(torch.linalg.eigvalsh(noise)[-1]) == pytest.approx(start.spread(width), rel=0.1)


@pytest.mark.parametrize("patients", ["abcd", "aabb", "aaab"])
def test_one_patient_more_moves_the_sums_by_the_bound_at_most(patients: str) -> None:
    """In units, where the products of two features, which are in the sum once, count twice."""
    features = torch.cat([cases(3)[0], torch.full((1, 5), 50.0)])
    labels, start = torch.tensor([0, 1, 2, 1]), NoisyRidge(1.0, 1.0)

    def told(stay: list[int]) -> dict[str, Tensor]:
        names = Patients([patients[k] for k in stay])
        return noisy_start(start, features[stay], labels[stay], 3, names, 1e-9, 1)

    whole, units = told([0, 1, 2, 3]), start.units(3, 5)
    assert set(whole) == {"sums", "moments"}
    for left in set(patients):
        less = told([k for k, name in enumerate(patients) if name != left])
        moved = torch.cat([((whole[name] - less[name]) / units[name]).reshape(-1) for name in units])
        assert float(moved.norm()) <= start.most() * (1 + 1e-4)


def test_a_case_s_part_has_the_length_that_is_bounded() -> None:
    features, labels = cases(4)
    start = NoisyRidge(1.0, 1.0)
    units = start.units(3, 5)
    for case in range(4):
        sums = start.sums(features[case : case + 1], labels[case : case + 1], 3)
        part = torch.cat([(sums[name] / units[name]).reshape(-1) for name in units])
        assert float(part.norm()) == pytest.approx(float(start.lengths(features)[case]))


def test_noise_is_of_the_deviation() -> None:
    features, labels = cases()
    start, names = NoisyRidge(1.0, 1.0), Patients([str(k) for k in range(60)])
    exact, units = noisy_start(start, features, labels, 3, names, 1e-9, 1), start.units(3, 5)
    draws = [noisy_start(start, features, labels, 3, names, 2.0, 1) for _ in range(60)]
    for name in units:
        found = torch.stack([(draw[name] - exact[name]) / units[name] for draw in draws])
        assert float(found.std()) == pytest.approx(2.0 * 2**0.5, rel=0.1)

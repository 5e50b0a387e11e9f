"""An attacker who sees each noisy gradient of a site, and knows its canaries, gets no more than was promised; a site
that leaves the noise out is found out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fedgraft.client.privacy import sums
from fedgraft.client.privacy.clipping import Patients
from fedgraft.common.privacy.accountant import Release, scaled_to
from fedgraft.common.privacy.audit import least_epsilon

CANARIES, OTHERS, WIDTH, STEPS, CLIP, DELTA = 200, 100, 2000, 10, 0.3, 1e-5


def scores(noise: float, there: Tensor) -> Tensor:
    """How much of each canary's gradient is in what the site told, ``(CANARIES,)``; canaries are long, so that each is
    clipped to the bound."""
    generator = torch.Generator().manual_seed(1)
    canaries = 5 * torch.randn(CANARIES, WIDTH, generator=generator)
    others = torch.randn(OTHERS, WIDTH, generator=generator)
    inputs = torch.cat([canaries[there], others])
    patients, found = Patients([str(n) for n in range(len(inputs))]), torch.zeros(CANARIES)
    for _ in range(STEPS):
        residuals = torch.tensor([[-0.5, 0.5]]).double().repeat(len(inputs), 1)
        weight, _ = sums.noisy_gradient(residuals, inputs, patients, CLIP, noise, 1)
        found += canaries @ (weight[1] - weight[0]).float()
    return found


def audited(noise: float) -> float:
    """The bound of an attack that guesses for the third of highest and of lowest scores."""
    there = torch.rand(CANARIES, generator=torch.Generator().manual_seed(2)) < 0.5
    order = scores(noise, there).argsort(descending=True)
    third = CANARIES // 3
    right = int(there[order[:third]].sum()) + int((~there[order[-third:]]).sum())
    return least_epsilon(CANARIES, 2 * third, right, DELTA, 0.999)


def test_an_attack_gets_less_than_was_promised() -> None:
    (told,) = scaled_to([Release(1.0, STEPS)], 1.0, DELTA)
    assert audited(told.noise) <= 1.0


def test_a_site_without_noise_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = scaled_to([Release(1.0, STEPS)], 1.0, DELTA)
    monkeypatch.setattr(sums, "with_noise", lambda summed, *_: summed)
    assert audited(told.noise) > 1.0

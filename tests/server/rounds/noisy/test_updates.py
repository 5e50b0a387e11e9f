"""``privacy=site``: what one site can move, by hand; the noise on it; who is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import Release, accounting_module, epsilon
from fedgraft.common.privacy.budget import site_noise_of
from fedgraft.common.wire.offer import Offer
from fedgraft.server.rounds.noisy.updates import NoisyUpdates, noisy_updates_of

RECEIVED = {"head.weight": torch.tensor([[1.0, 0.0]]), "head.bias": torch.tensor([0.5])}
NO_NOISE = 1e-9


def moved(*by: float) -> dict[str, torch.Tensor]:
    return {"head.weight": torch.tensor([[1.0 + by[0], by[1]]]), "head.bias": torch.tensor([0.5 + by[2]])}


def vector(tensors: dict[str, torch.Tensor]) -> list[float]:
    return [round(x, 5) for name in RECEIVED for x in (tensors[name] - RECEIVED[name]).reshape(-1).tolist()]


def test_updates_are_shortened_and_divided_by_all_sites() -> None:
    """(3, 0, 4) has length 5, and is shortened to 2: (1.2, 0, 1.6); (0, 1, 0) stays; four sites, half of them asked."""
    noisy = NoisyUpdates(2.0, NO_NOISE, 0.5)
    found = noisy.mean([moved(3.0, 0.0, 4.0), moved(0.0, 1.0, 0.0)], RECEIVED, 4)
    assert vector(found) == [0.6, 0.5, 0.8]
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in found.items()} == {
        name: (tensor.dtype, tensor.shape) for name, tensor in RECEIVED.items()
    }


def test_one_site_more_moves_the_sum_by_the_bound_at_most() -> None:
    noisy, others = NoisyUpdates(2.0, NO_NOISE, 1.0), [moved(0.3, 0.1, -0.2), moved(-9.0, 2.0, 1.0)]
    for added in (moved(1e6, -1e6, 0.0), moved(0.0, 0.0, 2.0), moved(0.0, 0.0, 0.0)):
        pair = [vector(noisy.mean(some, RECEIVED, 3)) for some in (others, [*others, added])]
        assert np.linalg.norm(np.subtract(*pair)) <= 2.0 / 3 + 1e-4


def test_nobody_is_drawn_and_there_is_noise_alone() -> None:
    drawn = [vector(NoisyUpdates(2.0, 3.0, 0.1).mean([], RECEIVED, 50)) for _ in range(400)]
    assert np.std(drawn) == pytest.approx(2.0 * 3.0 / 5, rel=0.1)


def test_sites_are_drawn_each_by_itself_and_not_by_the_plan_s_seed() -> None:
    roster: dict[int, Any] = {node: Offer(f"s{node}", "", True, 1, None) for node in range(400)}
    draws = [set(NoisyUpdates(1.0, 1.0, 0.25).drawn(roster)) for _ in range(50)]
    assert len({frozenset(one) for one in draws}) == 50
    assert np.mean([len(one) for one in draws]) == pytest.approx(100, abs=5)
    assert np.std([len(one) for one in draws]) == pytest.approx(8.66, abs=3), "of 400 coins"
    assert NoisyUpdates(1.0, 1.0, 1.0).drawn(roster) == roster


@pytest.mark.parametrize(
    ("words", "shared"), [((), False), (("strategy.fraction=0.1",), False), (("aggregation=secure",), True)]
)
def test_the_noise_keeps_the_promise_by_dp_accounting(
    compose_plan: Callable[..., Plan], words: tuple[str, ...], shared: bool
) -> None:
    plan = compose_plan("privacy=site", "privacy.epsilon=4", "privacy.delta=0.001", "rounds=30", *words)
    noise = site_noise_of(plan)
    assert (noise.times, noise.shared, noise.sampled) == (30, shared, plan.strategy.fraction)
    dp_event, pld, rdp = (accounting_module(f"dp_accounting.{name}") for name in ("dp_event", "pld", "rdp"))
    event: Any = dp_event.GaussianDpEvent(noise.noise)
    if shared:
        event = dp_event.ZCDpEvent(0.5 / noise.noise**2)
    elif noise.sampled < 1:
        event = dp_event.PoissonSampledDpEvent(noise.sampled, event)
    accountant = rdp.RdpAccountant() if shared else pld.PLDAccountant()
    accountant.compose(dp_event.SelfComposedDpEvent(event, 30))
    assert accountant.get_epsilon(0.001) == pytest.approx(epsilon([noise], 0.001), rel=1e-9)
    assert 3.98 <= epsilon([noise], 0.001) <= 4.0
    assert noisy_updates_of(plan) == NoisyUpdates(1.0, None if shared else noise.noise, noise.sampled)


def test_a_drawn_tenth_needs_less_noise_than_all() -> None:
    few, all_ = Release(1.0, 30, sampled=0.1), Release(1.0, 30)
    assert epsilon([few], 1e-3) < epsilon([all_], 1e-3) / 4
    assert epsilon([replace(few, sampled=1.0)], 1e-3) == epsilon([all_], 1e-3)

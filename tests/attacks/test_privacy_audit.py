"""An attacker who sees each noisy gradient of a site, and knows its canaries, gets no more than was promised; a site
that leaves the noise out is found out."""

from __future__ import annotations

import pytest

from fedgraft.client.privacy import linear_steps, sums
from fedgraft.common.plan.sections import TrainSection
from fedgraft.common.privacy.accountant import Release, scaled_to
from fedgraft.simulations.audit.canaries import Mechanism, Shown, Steps, audited

CANARIES, WIDTH, STEPS, CLIP, DELTA = 200, 2000, 10, 0.3, 1e-5


def shown(parties: int = 1) -> Shown:
    (told,) = scaled_to([Release(1.0, STEPS, shared=parties > 1)], 1.0, DELTA)
    return audited(Mechanism(WIDTH, STEPS, CLIP, told.noise, parties), DELTA, CANARIES)


def test_an_attack_gets_less_than_was_promised() -> None:
    assert shown().epsilon <= 1.0


def test_an_attack_on_noise_that_sites_share_gets_less_than_was_promised() -> None:
    assert shown(parties=3).epsilon <= 1.0


@pytest.mark.parametrize("parties", [1, 3])
def test_a_site_without_noise_is_found_out(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    monkeypatch.setattr(sums, "with_noise", lambda summed, *_: summed)
    assert shown(parties).epsilon > 1.0


def test_with_little_noise_something_is_shown() -> None:
    """Of a promise of 8 the attack shows about 1: it is no straw man."""
    (told,) = scaled_to([Release(1.0, STEPS)], 8.0, DELTA)
    assert 0.3 < audited(Mechanism(WIDTH, STEPS, CLIP, told.noise), DELTA, CANARIES).epsilon <= 8.0


TRAIN = {
    "sgd": TrainSection("sgd", 0.01, 0.0, 0.9, 32, 1, "constant"),
    "adamw": TrainSection("adamw", 0.001, 0.0, 0.0, 32, 1, "cosine"),
}


def shown_of_steps(train: str, promised: float, sampled: float = 1.0) -> Shown:
    """Of a site that tells its head after each five of ten steps."""
    (told,) = scaled_to([Release(1.0, STEPS, sampled=sampled)], promised, DELTA)
    return audited(Steps(WIDTH, TRAIN[train], 2, STEPS // 2, CLIP, told.noise, sampled), DELTA, CANARIES)


@pytest.mark.parametrize("train", TRAIN)
@pytest.mark.parametrize("sampled", [1.0, 0.3])
def test_heads_after_noisy_steps_tell_less_than_was_promised(train: str, sampled: float) -> None:
    assert shown_of_steps(train, 1.0, sampled).epsilon <= 1.0


@pytest.mark.parametrize("train", TRAIN)
def test_a_site_that_trains_without_noise_is_found_out(monkeypatch: pytest.MonkeyPatch, train: str) -> None:
    monkeypatch.setattr(linear_steps, "with_noise", lambda summed, *_: summed)
    assert shown_of_steps(train, 1.0).epsilon > 1.0


def test_of_heads_after_steps_with_little_noise_something_is_shown() -> None:
    assert 0.3 < shown_of_steps("sgd", 8.0).epsilon <= 8.0

"""An attacker who sees each noisy gradient of a site, and knows its canaries, gets no more than was promised; a site
that leaves the noise out is found out."""

from __future__ import annotations

import pytest

from fedgraft.client.privacy import sums
from fedgraft.common.privacy.accountant import Release, scaled_to
from fedgraft.simulations.audit.canaries import Mechanism, Shown, audited

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

"""What noise promises: against the Gaussian mechanism's exact curve (Balle & Wang, ICML 2018, theorem 8)."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from fedgraft.common.errors import PlanError
from fedgraft.common.privacy.accountant import Release, accounting_module, epsilon, scaled_to


def delta_of(noise: float, wanted: float) -> float:
    """The delta of one Gaussian release, by Balle & Wang."""
    rest = exp(wanted + norm.logcdf(-0.5 / noise - wanted * noise))
    return float(norm.cdf(0.5 / noise - wanted * noise) - rest)


@pytest.mark.parametrize("noise", [0.7, 2.0, 10.0])
def test_one_release_is_the_gaussian_mechanism(noise: float) -> None:
    found = epsilon([Release(noise)], 1e-5)
    assert log(delta_of(noise, found)) == pytest.approx(log(1e-5), abs=0.02)
    assert delta_of(noise, found) <= 1e-5, "never less than it is"


def test_squared_ratios_add_up() -> None:
    """4 releases of noise 8 and 1 of noise 4 are as much as 2 of noise 4: 4/64 + 1/16 = 2/16 = 1/8."""
    mixed = epsilon([Release(8.0, 4), Release(4.0)], 1e-5)
    assert mixed == pytest.approx(epsilon([Release(sqrt(8.0))], 1e-5), abs=2e-3)


@pytest.mark.parametrize("wanted", [0.5, 3.0])
def test_noise_is_scaled_to_a_promise(wanted: float) -> None:
    found = scaled_to([Release(1.0), Release(3.0, 100)], wanted, 1e-5)
    assert found[1].noise == pytest.approx(3 * found[0].noise) and found[1].times == 100
    assert wanted - 2e-3 < epsilon(found, 1e-5) <= wanted


def test_nothing_told_costs_nothing_and_no_noise_gives_what_can_not_be() -> None:
    assert epsilon([], 1e-5) == 0.0
    with pytest.raises(PlanError, match=r"no noise gives privacy\.epsilon=1e-09"):
        scaled_to([Release(1.0)], 1e-9, 1e-5)


def test_drawn_units_with_next_to_no_noise_are_accounted_by_renyi() -> None:
    """By distributions of losses it would take minutes, for a promise that is worth nothing."""
    (found,) = scaled_to([Release(1.0, 50, sampled=0.2)], 1000.0, 1e-5)
    rdp, events = accounting_module("dp_accounting.rdp"), accounting_module("dp_accounting.dp_event")
    accountant = rdp.RdpAccountant(orders=range(2, 64))
    drawn = events.PoissonSampledDpEvent(0.2, events.GaussianDpEvent(found.noise))
    accountant.compose(events.SelfComposedDpEvent(drawn, 50))
    assert found.noise < 0.4
    assert 990 <= accountant.get_epsilon(1e-5) <= 1000.1 and epsilon([found], 1e-5) == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("wanted", [21.0, 400.0])
def test_a_promise_of_next_to_nothing_holds_too(wanted: float) -> None:
    """Above 20 by Renyi's bound, which asks for a twentieth more noise at most."""
    (found,) = scaled_to([Release(1.0)], wanted, 1e-5)
    least = brentq(lambda noise: delta_of(noise, wanted) - 1e-5, 0.02, 10)
    assert least <= found.noise < 1.05 * least
    assert wanted * 0.93 < epsilon([found], 1e-5) <= wanted

"""What several sums with Gaussian noise promise together: Google's dp-accounting, not our own arithmetic.

Privacy loss distributions (Koskela et al., AISTATS 2020; Doroshenko et al., PoPETs 2022) for noise that one site adds
by itself; for noise that sites share, whose sum is a sum of discrete Gaussians, zero-concentrated privacy (Kairouz et
al., ICML 2021, theorem 1) by Renyi's.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from typing import Any

from fedgraft.common.errors import PlanError

_LOOSEST, _TIGHTEST = 1e-3, 1e3
_MUCH = 20.0
"""An epsilon above which distributions of losses take minutes: it promises next to nothing, and Renyi's will do."""
_LITTLE = 0.4
_WHOLE = (*range(2, 64), 80, 96, 128, 192, 256, 512)
_RENYI, _LOSSES = "rdp.RdpAccountant", "pld.PLDAccountant"


@dataclass(frozen=True)
class Release:
    """Sums that were told, or will be.

    Attributes:
        noise: deviation of the noise, in lengths of the longest vector that a patient can give (noise multiplier).
        times: how many such sums.
        shared: whether several sites each add a part of the noise, a discrete Gaussian on a grid a thousand times
            finer, or more. How far their sum is from a discrete Gaussian (tau of the theorem) is then below 1e-1000000.
        sampled: the probability with which each unit is in such a sum, drawn anew for each and told to nobody.
    """

    noise: float
    times: int = 1
    shared: bool = False
    sampled: float = 1.0


def ratio(releases: Sequence[Release]) -> float:
    """The squared signal-to-noise ratios of releases, added up. Gaussian noise that has less of it promises no less:
    both are one Gaussian mechanism each (Dong, Roth & Su, J. R. Stat. Soc. B 2022, corollary 3.3)."""
    return sum(one.times / one.noise**2 for one in releases)


def epsilon(releases: Sequence[Release], delta: float) -> float:
    """The epsilon of all releases together, each patient with or without all of their cases; 0 if there is none.

    Args:
        delta: above 0 and below 1.
    """
    if not releases:
        return 0.0
    bound = _spent(_RENYI, releases, delta)
    if (exact := _exact_if_possible(releases)) == _RENYI or bound > 1.5 * _MUCH:
        return bound
    return _spent(exact, releases, delta)


def _spent(name: str, releases: Sequence[Release], delta: float) -> float:
    accountant = _accountant(name, releases)
    accountant.compose(_composed(releases))
    return float(accountant.get_epsilon(delta))


def scaled_to(releases: Sequence[Release], wanted: float, delta: float) -> tuple[Release, ...]:
    """The releases with all noise multiplied by one number, so that together they promise ``wanted``, or a little less
    epsilon.

    Raises:
        PlanError: no noise gives so small or large an epsilon.
    """
    try:
        factor = _factor(releases, wanted, delta, _RENYI, (_LOOSEST, _TIGHTEST))
        if wanted <= _MUCH and (exact := _exact_if_possible(_times(releases, factor))) != _RENYI:
            factor = _factor(releases, wanted, delta, exact, (factor / 2, factor))
    except _no_bracket() as error:
        raise PlanError(f"no noise gives privacy.epsilon={wanted:g} with privacy.delta={delta:g}") from error
    return _times(releases, factor)


def _factor(
    releases: Sequence[Release], wanted: float, delta: float, accountant: str, between: tuple[float, float]
) -> float:
    """The smallest factor that suffices by an accountant. Renyi's is quick and asks for a little too much; with far too
    little noise a distribution of losses would be very long."""
    accounting = accounting_module("dp_accounting")
    bracket = accounting.mechanism_calibration.ExplicitBracketInterval(*between)
    found = accounting.calibrate_dp_mechanism(
        lambda: _accountant(accountant, releases),
        lambda factor: _composed(_times(releases, factor)),
        wanted,
        delta,
        bracket,
        tol=1e-4,
    )
    return float(found)


def _exact_if_possible(releases: Sequence[Release]) -> str:
    """Distributions of losses over drawn units with next to no noise, which promise next to nothing, take minutes."""
    renyi = any(one.shared or (one.sampled < 1 and one.noise < _LITTLE) for one in releases)
    return _RENYI if renyi else _LOSSES


def _accountant(name: str, releases: Sequence[Release]) -> Any:
    """Renyi's at whole orders for sums over drawn units: at others its series can fail to converge, and says so."""
    module, _, kind = name.partition(".")
    made = getattr(accounting_module(f"dp_accounting.{module}"), kind)
    drawn = name == _RENYI and any(one.sampled < 1 for one in releases)
    return made(orders=_WHOLE) if drawn else made()


def _no_bracket() -> tuple[type[Exception], ...]:
    calibration = accounting_module("dp_accounting.mechanism_calibration")
    return (calibration.NoBracketIntervalFoundError, ValueError)


def _times(releases: Sequence[Release], factor: float) -> tuple[Release, ...]:
    return tuple(replace(one, noise=one.noise * factor) for one in releases)


def _composed(releases: Sequence[Release]) -> Any:
    events = accounting_module("dp_accounting.dp_event")

    def event(one: Release) -> Any:
        if one.shared:
            return events.ZCDpEvent(0.5 / one.noise**2)
        alone = events.GaussianDpEvent(one.noise)
        return alone if one.sampled == 1 else events.PoissonSampledDpEvent(one.sampled, alone)

    return events.ComposedDpEvent([events.SelfComposedDpEvent(event(one), one.times) for one in releases])


def accounting_module(name: str) -> Any:
    """A module of dp-accounting. absl, which it loads, keeps the stream for its messages that is standard error then,
    and closes it with its handler unless that is the process's own."""
    with redirect_stderr(sys.__stderr__):
        return importlib.import_module(name)

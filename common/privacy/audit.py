"""What an attack shows of a promise: a lower bound of epsilon, with confidence, from one run.

Steinke, Nasr & Jagielski, "Privacy auditing with one (1) training run" (NeurIPS 2023): canaries, cases that an attacker
knows, are put in or left out by a fair coin each, and the attacker guesses for some of them which. Under epsilon no
guess is right more often than ``e^epsilon / (1 + e^epsilon)``, whatever the other coins (theorem 5.2).
"""

from __future__ import annotations

from math import exp

import numpy as np
import scipy  # its rooms are loaded when first used

_MOST = 30.0


def least_epsilon(canaries: int, guesses: int, right: int, delta: float, confidence: float) -> float:
    """The epsilon above which the mechanism is, with this confidence; 0 if the guesses show nothing.

    Args:
        canaries: put in or left out.
        guesses: of how many of them the attacker guessed.
        right: guesses that were.
        delta: of the promise.
        confidence: below 1; 0.999 is wrong in one of a thousand audits.
    """

    def surprise(epsilon: float) -> float:
        return _probability(canaries, guesses, right, epsilon, delta) - (1 - confidence)

    if surprise(0.0) >= 0:
        return 0.0
    if surprise(_MOST) < 0:
        return _MOST
    return float(scipy.optimize.brentq(surprise, 0.0, _MOST, xtol=1e-6))


def _probability(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """At most so probable are so many right guesses under a promise of epsilon and delta."""
    chance = 1 / (1 + exp(-epsilon))
    found = float(scipy.stats.binom.sf(right - 1, guesses, chance))
    fewer = np.arange(1, right + 1)
    near = np.cumsum(scipy.stats.binom.pmf(right - fewer, guesses, chance)) / fewer
    return min(1.0, found + 2 * canaries * delta * float(near.max(initial=0.0)))

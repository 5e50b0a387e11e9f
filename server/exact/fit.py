"""Minimise the sites' mean loss with a ridge, by SciPy's L-BFGS-B (Zhu et al., ACM TOMS 23, 1997) without bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy  # its rooms are loaded when first used
from threadpoolctl import threadpool_limits
from torch import Tensor

from fedgraft.common.exact.path import ExactPath
from fedgraft.server.exact.layout import Layout, Vector


class Sums(NamedTuple):
    """The loss over all cases of all sites in the fit, its gradient by name (float64), and the number of the cases."""

    loss: float
    gradient: dict[str, Tensor]
    cases: int


class SiteLeftError(Exception):
    """A site that was in the fit did not answer; from now on the sums are over the others."""


AskSums = Callable[[dict[str, Tensor]], Sums]
"""Weights by name, float64 -> the sums there.

Raises:
    SiteLeftError: the fit must go on with the sites that are left.
"""


@dataclass(frozen=True)
class Fit:
    """The fit at one ridge.

    Attributes:
        weights: float64, by name.
        loss: mean over the cases, without the ridge's term.
        gradient: the largest component, by size, of the gradient of the mean loss with the ridge's term.
        evaluations: how often the sites were asked for sums.
        tolerance: below or at which ``gradient`` should be.
    """

    ridge: float
    weights: Mapping[str, Tensor]
    loss: float
    gradient: float
    evaluations: int
    tolerance: float

    @property
    def converged(self) -> bool:
        return self.gradient <= self.tolerance

    @property
    def sentence(self) -> str:
        """For a progress line."""
        done = f"ridge {self.ridge:.3g}: {self.evaluations} evaluation(s)"
        if self.converged:
            return done
        return f"{done}, NOT CONVERGED (gradient {self.gradient:.1e}, strategy.tolerance {self.tolerance:.1e})"


class _Point(NamedTuple):
    value: float
    slope: Vector
    at: Vector


class _SpentError(Exception):
    """The evaluations of this ridge are used up."""


class _Objective:
    """The mean loss with the ridge's term over a fixed set of sites, as SciPy calls it; remembers its best point."""

    def __init__(self, ask: AskSums, layout: Layout, ridge: float, most: int) -> None:
        self._ask, self._layout, self._ridge, self._most = ask, layout, ridge, most
        self.evaluations = 0
        self.best: _Point | None = None

    def __call__(self, at: Vector) -> tuple[float, Vector]:
        if self.evaluations == self._most:
            raise _SpentError
        self.evaluations += 1
        sums = self._ask(self._layout.tensors(at))
        slope = self._layout.vector(sums.gradient) / sums.cases + self._ridge * self._layout.penalised * at
        value = sums.loss / sums.cases + self.penalty(at)
        if self.best is None or value < self.best.value:
            self.best = _Point(value, slope, at.copy())
        return value, slope

    def penalty(self, at: Vector) -> float:
        return self._ridge / 2 * float((self._layout.penalised * at) @ at)


def fit(ask: AskSums, layout: Layout, start: Mapping[str, Tensor], ridge: float, path: ExactPath) -> Fit:
    """Minimise from ``start`` on, until the gradient is small or the evaluations are used up.

    If a site leaves, L-BFGS starts anew over the others, at the best weights so far, with all evaluations before it.
    """
    at, spent = layout.vector(start), 0
    while True:
        objective = _Objective(ask, layout, ridge, path.most_evaluations)
        try:
            found = _minimum(objective, at, path)
        except SiteLeftError:
            at = at if objective.best is None else objective.best.at
            spent += objective.evaluations
            continue
        loss, steepest = found.value - objective.penalty(found.at), float(np.abs(found.slope).max())
        evaluations = spent + objective.evaluations
        return Fit(ridge, layout.tensors(found.at), loss, steepest, evaluations, path.tolerance)


def _minimum(objective: _Objective, at: Vector, path: ExactPath) -> _Point:
    """Where L-BFGS ended; the best point if the evaluations were used up before that."""
    options = {"maxcor": path.memory, "gtol": path.tolerance, "ftol": 0.0, "maxfun": np.inf, "maxiter": np.inf}
    try:
        # its vectors are so short that threads of BLAS would only wait for each other, and for those of the sites
        with threadpool_limits(1, "blas"):
            found = scipy.optimize.minimize(objective, at, jac=True, method="L-BFGS-B", options=options)
    except _SpentError:
        assert objective.best is not None  # at least one evaluation is allowed
        return objective.best
    return _Point(float(found.fun), np.asarray(found.jac), np.asarray(found.x))

"""A map from the log odds of one class or finding to calibrated log odds; strictly increasing, so that AUROC stays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from fedgraft.common.calibration.logistic import Floats
from fedgraft.common.errors import DataError
from fedgraft.common.plan.types import Inside
from fedgraft.common.tasks.metrics import SOFTNESS

Finite = Annotated[float, Field(allow_inf_nan=False)]
Slope = Annotated[float, Field(gt=0, allow_inf_nan=False)]
TILT = 1e-4
"""How much `Map.knots` rise per unit of ``asinh``: cases of one block keep their order, and move by less than 0.002."""


@dataclass(frozen=True)
class Map:
    """``slope * inner(score) + intercept``.

    Attributes:
        knots: score and log odds, ascending, between which ``inner`` is linear in ``asinh`` of the score; beyond the
            ends it is level. Empty: ``inner`` is the score itself.
        prevalence: the share of positives that the map expects among the cases that it was fitted to; ``None`` if it
            was fitted to none.
    """

    slope: Slope = 1.0
    intercept: Finite = 0.0
    knots: tuple[tuple[Finite, Finite], ...] = ()
    prevalence: Inside | None = None

    def __call__(self, scores: Floats) -> Floats:
        """Calibrated log odds, of any shape."""
        return self.slope * self._inner(scores) + self.intercept

    def then(self, slope: float, intercept: float) -> Map:
        """This map, and a line behind it."""
        return replace(self, slope=self.slope * slope, intercept=self.intercept * slope + intercept)

    def at(self, prevalence: float) -> Map:
        """The map for cases of which another share is positive, but that look alike otherwise: log odds move by the
        difference of the shares' (Elkan, IJCAI 2001, theorem 2; Saerens et al., Neural Comput. 2002).

        Raises:
            DataError: the share is not between 0 and 1, or the map was fitted to no case.
        """
        if not 0 < prevalence < 1:
            raise DataError(f"a prevalence must lie between 0 and 1, both excluded; it is {prevalence}")
        if self.prevalence is None:
            raise DataError("a prevalence can't be stated for a model that is not calibrated: its own is not known")
        shift = float(np.log(prevalence / (1 - prevalence)) - np.log(self.prevalence / (1 - self.prevalence)))
        return replace(self, intercept=self.intercept + shift, prevalence=prevalence)

    def _inner(self, scores: Floats) -> Floats:
        if not self.knots:
            return scores
        place = np.arcsinh(scores / SOFTNESS)
        at, odds = np.array(self.knots).T
        found: Floats = np.interp(place, np.arcsinh(at / SOFTNESS), odds) + TILT * place
        return found

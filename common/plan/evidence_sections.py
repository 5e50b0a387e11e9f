"""The section of a plan on what its final model's scores become: probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fedgraft.common.plan.types import STRICT, Count, Inside


@dataclass(frozen=True)
class CalibrationSection:
    """What turns the final model's scores into probabilities, fitted to the sites' validation cases.

    Attributes:
        method: `fedgraft.common.calibration.fit`; ``none``: the model's own probabilities.
        by_site: whether sites with enough cases get maps of their own, shrunk to the pooled one.
        min_cases: so many validation cases a site needs for that.
        prevalence: the share of cases of class 1 for which probabilities are meant, everywhere; a list by class or
            finding if there are more than two; ``None``: as among the validation cases of each map.
    """

    __pydantic_config__ = STRICT
    method: Literal["none", "temperature", "platt", "isotonic"] = "platt"
    by_site: bool = True
    min_cases: Count = 30
    prevalence: Inside | tuple[Inside, ...] | None = None

    @property
    def prevalences(self) -> tuple[float, ...] | None:
        """`prevalence` by scored class."""
        stated = self.prevalence
        return (stated,) if isinstance(stated, float) else stated

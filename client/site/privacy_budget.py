"""The site's own limit on what may be told of its patients, in ``site.yaml``; it wins over every plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

_DAY = 86400.0
_SECONDS = {"month": 31 * _DAY, "year": 366 * _DAY}


@dataclass(frozen=True)
class PrivacyBudget:
    """Plans without differential privacy are refused, and those for which the rest does not suffice.

    Attributes:
        epsilon, delta: for all runs of the last ``per`` together, each patient with or without all of their cases.
        per: ``month``, ``year``, or ``site`` = ever.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    delta: Annotated[float, Field(gt=0, lt=0.01)] = 1e-5
    per: Literal["month", "year", "site"] = "year"

    def since(self, now: float) -> float:
        """From when on runs count, in seconds since 1970."""
        return now - _SECONDS[self.per] if self.per in _SECONDS else float("-inf")

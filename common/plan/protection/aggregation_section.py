"""The plan's section on how what sites tell is added up: in the clear, or so that the coordinator sees sums alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fedgraft.common.plan.types import STRICT, Positive


@dataclass(frozen=True)
class AggregationSection:
    """Secure aggregation (`fedgraft.common.secure`).

    Attributes:
        secure: whether sites mask what they tell, so that the coordinator learns sums over sites only.
        threshold: the share of the sites that must stay until the end of a sum, above one half; ``None``: two thirds,
            or above 50 sites, which then share masks with some others only, more than half of these.
        range: the largest size of a number per case, in a sum of a site's float32 numbers; of float64 65,536 times as
            much. Sums are counted in steps of about ``2**-31`` of it, times all sites' cases.
        norm: the Euclidean norm to which each site shortens its update (all that it sends, minus what it received).
    """

    __pydantic_config__ = STRICT
    secure: bool = False
    threshold: Annotated[float, Field(gt=0.5, le=1)] | None = None
    range: Positive = 64.0
    norm: Positive = 100.0

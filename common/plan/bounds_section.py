"""The plan's section on what one site's update may do to a round's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fedgraft.common.plan.types import STRICT, Count, NotNegative, Probability

AtLeastOne = Annotated[float, Field(ge=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class BoundsSection:
    """Bounds on each site's update, kept by the coordinator (`fedgraft.server.bounds`).

    Attributes:
        clip: an update whose norm is more than so many times the median one is shortened to that; what of it a site did
            not use in earlier rounds it may use besides (`fedgraft.server.bounds.allowance`). ``None``: never.
        least, deviations: from a lower multiple on, if the sites' norms differ little: as many median deviations of
            their logarithms above the median, but not below ``least`` times it.
        far, far_deviations: an update that is more than so many times as far from the others' centre as the median one
            is moved to that, of five or more updates; from a higher multiple on, if distances differ much: so many
            median deviations of their logarithms above the median. What of it a site did not use it may use later.
            ``None``: never.
        refuse: an update is not used if its norm is beyond what stays as it is by as much as this is above ``clip``.
            ``None``: all are.
        little: nothing is done to an update that adds at most so much of the median one to a mean, as one of a few
            cases among many does.
        rounds: deviations are over this round and those before it, so many in all.
        share: the largest weight of one site in a mean, of three or more sites; 1: any.
    """

    __pydantic_config__ = STRICT
    clip: AtLeastOne | None = 5.0
    least: AtLeastOne = 1.5
    deviations: NotNegative = 12.0
    far: AtLeastOne | None = 1.5
    far_deviations: NotNegative = 9.0
    refuse: AtLeastOne | None = 10.0
    little: NotNegative = 0.05
    rounds: Count = 4
    share: Probability = 0.75


UNBOUND = BoundsSection(clip=None, far=None, refuse=None, rounds=1, share=1.0)
"""For strategies that bound updates by themselves: those for differential privacy, whose account rests on one norm."""

"""The most that a plan, and each message of its run, may ask of a site; each site sets its own in ``site.yaml``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

Amount = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Bounds:
    """The most that a plan may ask (`fedgraft.client.fence`).

    Attributes:
        rate: any learning rate of the plan.
        forget: of what was trained, the part that a step may take back by weight decay and the proximal term: an
            update in which each step undoes the ones before rests on the last batch.
        width: rows of a tensor that is trained: units of a layer.
        parameters: numbers that are trained, at the site and in common.
        rounds: of a run.
        epochs: of a round.
        steps: of a round: epochs times batches.
        seconds: to train for one message.
        bytes: of the tensors that come with a message, the backbone's aside.
        norm: the Euclidean norm of each tensor that comes to be trained.
        evaluations: with ``strategy=exact``, gradients that a run may ask for.
        changes: how often a run may change a round that was answered: its class counts, since sites came or left, or
            what follows a round that was asked again, since the coordinator went back to an older checkpoint.
        below: the largest share of the trained units that may rest on fewer than ``release.min_count`` patients: these
            do not leave; with more of them nothing does.
        clip_patients: whether, of a head that is trained alone, what single patients give is shortened until an update
            rests on enough of them; without it such an update is refused.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    rate: Number = 10.0
    forget: Annotated[float, Field(ge=0)] = 0.1
    width: Amount = 4096
    parameters: Amount = 50_000_000
    rounds: Amount = 1000
    epochs: Amount = 100
    steps: Amount = 200_000
    seconds: Number = 21_600.0
    bytes: Amount = 500_000_000
    norm: Number = 1000.0
    evaluations: Amount = 5000
    changes: Annotated[int, Field(ge=0)] = 20
    below: Annotated[float, Field(ge=0, le=1)] = 0.5
    clip_patients: bool = True


_ANY = 2**62
UNBOUNDED = Bounds(
    rate=math.inf,
    forget=math.inf,
    width=_ANY,
    parameters=_ANY,
    rounds=_ANY,
    epochs=_ANY,
    steps=_ANY,
    seconds=math.inf,
    bytes=_ANY,
    norm=math.inf,
    evaluations=_ANY,
    changes=_ANY,
)
"""Of a simulated site: whoever writes the plan owns the machine. What rests on too few does not leave it either."""

"""The plan's section on differential privacy of what sites tell (`fedgraft.common.privacy`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from fedgraft.common.plan.types import STRICT, Count, Fraction, Inside, Positive


@dataclass(frozen=True)
class PrivacySection:
    """What is promised to each patient, and how noise is dealt over what sites tell.

    Attributes:
        unit: whose part is hidden: ``none`` = nobody's; ``record`` = each patient's, with all of their cases; ``site``
            = each hospital's. With ``site`` only epsilon, delta and clip count.
        epsilon, delta: the promise, for all that a run makes a site tell (Dwork & Roth 2014, definition 2.4; with and
            without the patient).
        steps: gradients that a run takes: over all cases, or where sites train (DP-SGD) at each site over those drawn.
        sampled: the probability with which a patient is in a step at a site that trains; 1: all are.
        clip: the most that a patient may give to a gradient; the inputs of the head have a length of about 1 there.
            With ``unit=site`` the length to which each site's update is shortened.
        rate: of a step; ``None``: as large as ``jitter`` lets it be, and at most ``most_rate``.
        jitter: the deviation that the noise of all steps may bring to a case's log odds.
        momentum: of the steps (Polyak 1964).
        counts: the share of the promise (of the squared signal-to-noise ratios) that goes to class counts.
        moments: the share that goes to mean and deviation of features.
        evaluation: the noise of figures over validation and test cases: their squared signal-to-noise ratio, as a share
            of that of all that is told of training cases. No patient is in two parts, so that 1 promises each as much
            as a training patient, and costs these nothing; 0: no figures are told.
    """

    __pydantic_config__ = STRICT
    unit: Literal["none", "record", "site"] = "none"
    epsilon: Positive = 3.0
    delta: Annotated[float, Field(gt=0, lt=0.01)] = 1e-5
    steps: Count = 100
    clip: Positive = 0.3
    rate: Positive | None = None
    jitter: Positive = 1.5
    most_rate: Positive = 40.0
    momentum: Fraction = 0.9
    counts: Inside = 0.03
    moments: Inside = 0.2
    evaluation: Annotated[float, Field(ge=0, le=1)] = 0.0
    sampled: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def on(self) -> bool:
        return self.unit != "none"

    @property
    def by_patient(self) -> bool:
        return self.unit == "record"

    @property
    def by_site(self) -> bool:
        return self.unit == "site"


def without_later(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The section's options as a plan's digest counts them: without later ones that are the default."""
    return {name: value for name, value in plain.items() if name not in _LATER or value != _LATER[name]}


_LATER = {"evaluation": 0.0, "sampled": 1.0}

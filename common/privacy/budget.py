"""How a plan's promise is dealt over what a site tells in a run: class counts, moments of features, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt

from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.common.privacy.accountant import Release, scaled_to


@dataclass(frozen=True)
class Budget:
    """The noise of each sum that a site tells in a run, as `Release.noise`.

    Attributes:
        counts: of class counts, told once.
        moments: of the mean, and again of the mean square, each told once; ``None`` if they are not asked for.
        gradients: of each of ``steps`` gradients.
        shared: whether the noise of moments and gradients is that of the secure sum over all sites, to which each adds
            a part; counts are each site's own.
    """

    counts: float
    moments: float | None
    gradients: float
    steps: int
    shared: bool = False

    @property
    def releases(self) -> tuple[Release, ...]:
        """All that a run can make a site tell."""
        moments = () if self.moments is None else (Release(self.moments, 2, self.shared),)
        return (Release(self.counts), *moments, Release(self.gradients, self.steps, self.shared))

    @classmethod
    def of(cls, releases: Sequence[Release]) -> Budget:
        """The budget whose `releases` these are."""
        counts, *moments, gradients = releases
        noise = moments[0].noise if moments else None
        return cls(counts.noise, noise, gradients.noise, gradients.times, gradients.shared)


def budget_of(plan: Plan) -> Budget:
    """The noise that a plan's promise needs.

    Raises:
        PlanError: there is none.
    """
    return _budget(plan.privacy, plan.features.needs_common, plan.aggregation.secure)


@cache
def _budget(section: PrivacySection, moments: bool, shared: bool) -> Budget:
    """A sum's share is that of the squared signal-to-noise ratios (1 / noise^2), which add up under composition."""
    rest = 1 - section.counts - (section.moments if moments else 0)
    shares = [Release(1 / sqrt(section.counts))]
    shares += [Release(sqrt(2 / section.moments), 2, shared)] if moments else []
    shares += [Release(sqrt(section.steps / rest), section.steps, shared)]
    return Budget.of(scaled_to(shares, section.epsilon, section.delta))

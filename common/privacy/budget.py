"""How a plan's promise is dealt over what a site tells in a run: class counts, moments of features, gradients; and of
other patients than those, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt

from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.common.privacy.accountant import Release, ratio, scaled_to


@dataclass(frozen=True)
class Budget:
    """The noise of each sum that a site tells in a run, as `Release.noise`.

    Attributes:
        counts: of class counts, told once.
        moments: of the mean, and again of the mean square, each told once; ``None`` if they are not asked for.
        gradients: of each of ``steps`` gradients; where a site trains (DP-SGD), its own alone, in secure sums too. Of a
            run without rounds that of the sums from which the head is solved, told once.
        shared: whether the noise of moments and gradients is that of the secure sum over all sites, to which each adds
            a part; counts are each site's own.
        evaluation: of the counts that figures are made of, told once over validation and once over test patients;
            ``None`` if none are told.
        sampled: the probability with which a patient is in a gradient.
        alone: whether the noise of gradients is each site's own although others are shared.
    """

    counts: float
    moments: float | None
    gradients: float
    steps: int
    shared: bool = False
    evaluation: float | None = None
    sampled: float = 1.0
    alone: bool = False

    @property
    def apart(self) -> tuple[Release, ...]:
        """All that a run can make a site tell of a patient whom it does not train on: of no more than of one whom it
        does, by the sum of squared signal-to-noise ratios, so that `releases` promise them no more."""
        return () if self.evaluation is None else (Release(self.evaluation, 1, self.shared),)

    @property
    def releases(self) -> tuple[Release, ...]:
        """All that a run can make a site tell of a patient whom it trains on."""
        moments = () if self.moments is None else (Release(self.moments, 2, self.shared),)
        gradients = Release(self.gradients, self.steps, self.shared and not self.alone, self.sampled)
        return (Release(self.counts), *moments, gradients)

    @classmethod
    def of(cls, releases: Sequence[Release], apart: Sequence[Release] = ()) -> Budget:
        """The budget whose `releases` and `apart` these are."""
        counts, *moments, gradients = releases
        noise = moments[0].noise if moments else None
        figures = apart[0].noise if apart else None
        shared = gradients.shared or any(one.shared for one in moments)
        steps = (gradients.noise, gradients.times)
        return cls(counts.noise, noise, *steps, shared, figures, gradients.sampled, shared and not gradients.shared)


def site_noise_of(plan: Plan) -> Release:
    """With ``privacy=site``: the noise of each round's sum of updates, in lengths of the longest update.

    Raises:
        PlanError: there is none.
    """
    return _site_noise(plan.privacy, plan.rounds, plan.aggregation.secure, plan.strategy.fraction)


@cache
def _site_noise(section: PrivacySection, rounds: int, shared: bool, sampled: float) -> Release:
    (found,) = scaled_to([Release(sqrt(rounds), rounds, shared, sampled)], section.epsilon, section.delta)
    return found


def budget_of(plan: Plan) -> Budget:
    """The noise that a plan's promise needs.

    Raises:
        PlanError: there is none.
    """
    section = replace(plan.privacy, steps=1, sampled=1.0) if meets_once(plan) else plan.privacy
    return _budget(section, plan.features.needs_common, plan.aggregation.secure, by_steps(plan))


def by_steps(plan: Plan) -> bool:
    """Whether each site trains by noisy steps of its own (DP-SGD) under ``privacy=record``."""
    return plan.privacy.by_patient and not is_exact(plan.strategy) and not meets_once(plan)


def meets_once(plan: Plan) -> bool:
    """Whether sites tell sums once under ``privacy=record``, from which the head is solved, and train nothing."""
    return plan.privacy.by_patient and plan.rounds == 0


@cache
def _budget(section: PrivacySection, moments: bool, shared: bool, alone: bool) -> Budget:
    """A sum's share is that of the squared signal-to-noise ratios (1 / noise^2), which add up under composition; of a
    gradient over some patients about that of all, times the share of these squared (Dong, Roth & Su 2022)."""
    rest = 1 - section.counts - (section.moments if moments else 0)
    shares = [Release(1 / sqrt(section.counts))]
    shares += [Release(sqrt(2 / section.moments), 2, shared)] if moments else []
    noise = section.sampled * sqrt(section.steps / rest)
    shares += [Release(noise, section.steps, shared and not alone, section.sampled)]
    releases = scaled_to(shares, section.epsilon, section.delta)
    figures = Release(1 / sqrt(section.evaluation * ratio(releases)), 1, shared) if section.evaluation else None
    return Budget.of(releases, () if figures is None else (figures,))

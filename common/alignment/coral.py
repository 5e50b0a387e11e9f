"""CORAL: align the covariances of features (Sun & Saenko, Deep CORAL, ECCV workshops 2016), and their means."""

from __future__ import annotations

from torch import Tensor

from fedgraft.common.alignment import moments
from fedgraft.common.alignment.moments import Gaussian
from fedgraft.common.alignment.projection import Projected
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Penalty, Reference


class Coral:
    """``|C - C_ref|_F^2 / (4 k^2)`` (equation 1), and with ``means`` also ``|m - m_ref|^2 / k`` (as in DomainBed,
    Gulrajani & Lopez-Paz, ICLR 2021), over ``k`` directions of the features, in units of the reference's variance.
    Without that unit the penalty would fall when the features of all sites shrink, which aligns nothing.

    Args:
        dimensions: the largest number of directions (`Projected`); 2 or more.
        normalise: apply layer norm first (`Projected`).
        means: align the means too.
    """

    def __init__(self, dimensions: int, normalise: bool, means: bool) -> None:
        if dimensions < 2:
            raise PlanError(f"alignment.dimensions={dimensions} must be 2 or more: a covariance needs two directions")
        self.dimensions = dimensions
        self.normalise = normalise
        self.means = means

    def reference(self, width: int, groups: int) -> Reference:
        space = Projected(width, self.dimensions, self.normalise)
        return Reference(groups, moments.shapes(min(width, self.dimensions)), space)

    def sums(self, reference: Reference, features: Tensor) -> dict[str, Tensor]:
        return moments.sums(reference.space(features))

    def penalty(self, reference: Reference) -> Penalty:
        known = {group: Gaussian.of_means(means) for group, means in reference.means().items()}
        units = {group: gaussian.variance() for group, gaussian in known.items()}

        def against(features: Tensor, group: int) -> Tensor:
            return self.distance(Gaussian.of_sample(reference.space(features)), known[group], units[group])

        return against

    def between(self, reference: Reference, some: Tensor, others: Tensor) -> Tensor:
        one, other = (Gaussian.of_sample(reference.space(features)) for features in (some, others))
        return self.distance(one, other, (one.variance() + other.variance()).detach() / 2)

    def distance(self, one: Gaussian, other: Gaussian, unit: Tensor) -> Tensor:
        """The penalty between two Gaussians of ``k`` dimensions, a scalar; ``unit`` is the variance to divide by."""
        k = len(one.mean)
        difference = ((one.covariance - other.covariance) ** 2).sum() / (4 * k**2 * unit**2)
        return difference + ((one.mean - other.mean) ** 2).mean() / unit if self.means else difference

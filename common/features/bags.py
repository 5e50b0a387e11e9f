"""Features of a case that are a bag of instances: taken apart, put together, and scaled number by number.

The mean and deviation by which an instance's numbers are scaled are those, over cases, of each case's mean over its
instances: a case counts once, however many it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from fedgraft.common.features.scale import Standardised, by_case, scale_of, standardised, standardising
from fedgraft.common.interfaces.features import Bag, Group, Reading, ReadsInstances
from fedgraft.common.interfaces.roles import Role
from fedgraft.common.plan.feature_sections import FeaturesSection


class Opened(NamedTuple):
    """A batch of bags.

    Attributes:
        instances: ``(B, instances, numbers)``; 0 where there is none.
        beside: of the whole case, ``(B, R)``.
        there: ``(B, instances)``, 1 or 0.
    """

    instances: Tensor
    beside: Tensor
    there: Tensor


def bag_of(reading: Reading | None, groups: Sequence[Group]) -> Bag | None:
    """How features in ``groups`` lie, if the reading gives bags."""
    if not isinstance(reading, ReadsInstances):
        return None
    most = reading.instances
    apart = tuple(group.width // most for group in groups if not group.comparable)
    return Bag(most, apart, sum(group.width for group in groups if group.comparable) - most)


def of_an_instance(bag: Bag, groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups of an instance's numbers."""
    names = (group.name for group in groups if not group.comparable)
    return tuple(Group(name, width) for name, width in zip(names, bag.widths, strict=True))


def opened(features: Tensor, bag: Bag) -> Opened:
    """Features ``(B, F)`` taken apart."""
    sizes = [bag.instances * width for width in bag.widths]
    *parts, beside, there = features.split([*sizes, bag.beside, bag.instances], dim=1)
    apart = [part.unflatten(1, (bag.instances, -1)) for part in parts]
    return Opened(apart[0] if len(apart) == 1 else torch.cat(apart, dim=2), beside, there)


def closed(some: Opened, bag: Bag) -> Tensor:
    """The features ``(B, F)`` that `opened` takes apart."""
    parts = [part.flatten(1) for part in some.instances.split(bag.widths, dim=2)]
    return torch.cat([*parts, some.beside, some.there], dim=1)


def mean_instance(some: Opened) -> Tensor:
    """The mean over the instances that are there, ``(B, numbers)``."""
    return some.instances.sum(dim=1) / some.there.sum(dim=1, keepdim=True).clamp(min=1)


class BagCaseScale(nn.Module):
    """`CaseScale` of each instance by itself."""

    roles: ClassVar[Mapping[str, Role]] = {}

    def __init__(self, bag: Bag) -> None:
        super().__init__()
        self.bag = bag

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` -> ``(B, F)`` float32."""
        some = opened(features, self.bag)
        return closed(some._replace(instances=by_instance(some.instances, self.bag.widths)), self.bag)


class BagStandardised(Standardised):
    """`Standardised` of each instance, ``width`` being an instance's; what is beside is left as it is.

    Args:
        options: as of `Standardised`.
    """

    def __init__(self, bag: Bag, **options: Any) -> None:
        super().__init__(bag.numbers, **options)
        self.bag = bag

    def scaled(self, features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        some = opened(features, self.bag)
        found = standardised(self._by_case(some.instances), mean, deviation) * some.there[:, :, None]
        return closed(some._replace(instances=found), self.bag)

    def prepared(self, features: Tensor) -> Tensor:
        """What mean and deviation are of, ``(B, numbers)``: with ``widths``, of the same length in each case."""
        some = opened(features, self.bag)
        return by_case(mean_instance(some._replace(instances=self._by_case(some.instances))), self.widths)

    def _by_case(self, instances: Tensor) -> Tensor:
        return by_instance(instances, self.widths)


def by_instance(instances: Tensor, widths: tuple[int, ...]) -> Tensor:
    """`by_case` of each instance of ``(B, instances, numbers)``."""
    found: Tensor = by_case(instances.flatten(0, 1), widths).unflatten(0, instances.shape[:2])
    return found


def scale_for(section: FeaturesSection, groups: tuple[Group, ...], bag: Bag | None) -> nn.Module:
    """`fedgraft.common.features.scale.scale_of`, or for bags what does the same with each instance.

    Raises:
        PlanError: as there.
    """
    if bag is None:
        return scale_of(section, groups)
    if section.scale == "none":
        return nn.Identity()
    if section.scale == "case":
        return BagCaseScale(bag)
    return BagStandardised(bag, **standardising(section, of_an_instance(bag, groups)))

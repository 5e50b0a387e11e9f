"""How features are scaled before the head: the domain adaptation of frozen features.

Standardising with each hospital's own mean and deviation, number by number, removes what a scanner does to every case
alike. It needs no labels, nothing leaves the site, and a hospital that never trained can do it. Where hospitals differ
in how common a class is, it removes a part of that, too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.features.moments import Moments, drawn_to, pooled, within
from fedgraft.common.interfaces.features import Group
from fedgraft.common.interfaces.roles import Role
from fedgraft.common.plan.feature_sections import FeaturesSection, ScaleName

_SMALLEST = 1e-6  # a deviation below this share of the largest is that of a constant feature, which is left at 0
_BOTH = ("mean", "variance")
MEAN, DEVIATION, COMMON_MEAN, COMMON_DEVIATION, OWN = "mean", "deviation", "common_mean", "common_deviation", "own"


class CaseScale(nn.Module):
    """Each group of features (one stage) by its own mean and deviation in that case; no statistics of other cases.

    Args:
        widths: of the groups, in order.
        plain: how many features, the last ones, are left as they are.
    """

    roles: ClassVar[Mapping[str, Role]] = {}

    def __init__(self, widths: tuple[int, ...], plain: int = 0) -> None:
        super().__init__()
        self.widths, self.plain = widths, plain

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` -> ``(B, F)`` float32."""
        return _but_plain(by_case(features, self.widths), features, self.plain)


def _but_plain(scaled: Tensor, features: Tensor, plain: int) -> Tensor:
    """``scaled``, with the last ``plain`` of ``features`` in their places, all ``(B, F)``."""
    return torch.cat([scaled[:, : scaled.shape[1] - plain], features[:, -plain:]], dim=1) if plain else scaled


def by_case(features: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Features ``(B, F)`` -> the same, each group by its own mean and deviation in that case; as they are if there are
    no groups. The square of a case's length is then F, or a little less."""
    if not widths:
        return features
    return torch.cat([functional.layer_norm(part, part.shape[1:]) for part in features.split(widths, dim=1)], dim=1)


class Standardised(nn.Module):
    """``(x - mean) / deviation``, number by number. At first, but for ``widths``, the identity.

    Args:
        width: number of features.
        mean, deviation: the role of each: ``given`` = that over all sites' training cases; ``local`` = the site's own.
        needs_common: whether the site's own values depend on the common ones, which are then given as well.
        widths: of groups that are first scaled by their own mean and deviation in each case (`by_case`); or none.
        plain: how many features, the last ones, are left as they are.
        late: which features are scaled by the common values at a site too, ``(width,)`` bool; ``None`` for none.
    """

    def __init__(
        self,
        width: int,
        mean: Literal["given", "local"],
        deviation: Literal["given", "local"],
        needs_common: bool = False,
        widths: tuple[int, ...] = (),
        plain: int = 0,
        late: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.widths, self.plain, self.late = widths, plain, late
        found: dict[str, Role] = {MEAN: mean, DEVIATION: deviation}
        self.register_buffer(MEAN, torch.zeros(width))
        self.register_buffer(DEVIATION, torch.ones(width))
        if needs_common:
            self.register_buffer(COMMON_MEAN, torch.zeros(width))
            self.register_buffer(COMMON_DEVIATION, torch.ones(width))
            self.register_buffer(OWN, torch.ones(1))
            found |= {COMMON_MEAN: "given", COMMON_DEVIATION: "given", OWN: "given"}
        self.roles: Mapping[str, Role] = found

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` -> ``(B, F)`` float32."""
        return self.scaled(features, self.get_buffer(MEAN), self.get_buffer(DEVIATION))

    def scaled(self, features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """The same by other values, ``(F,)`` each."""
        return _but_plain(standardised(self.prepared(features), mean, deviation), features, self.plain)

    def prepared(self, features: Tensor) -> Tensor:
        """What mean and deviation are of, ``(B, F)``."""
        return by_case(features, self.widths)


def standardised(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """``(x - mean) / deviation`` of features ``(B, F)``, with ``(F,)``."""
    factor = deviation.reciprocal()
    return torch.addcmul(-mean * factor, features, factor)


def deviation_of(variance: Tensor) -> Tensor:
    """The deviation to divide by, ``(F,)`` float64; 1 where a feature is constant."""
    deviation = variance.clamp(min=0).sqrt()
    return torch.where(deviation > _SMALLEST * deviation.max(), deviation, torch.ones_like(deviation))


def scale_of(section: FeaturesSection, groups: tuple[Group, ...]) -> nn.Module:
    """The module that scales features, which come in ``groups``, the comparable ones last; `torch.nn.Identity` for
    ``scale=none``."""
    if section.scale == "none":
        return nn.Identity()
    plain = sum(group.width for group in groups if group.comparable)
    if section.scale == "case":
        return CaseScale(tuple(group.width for group in groups), plain)
    return Standardised(sum(group.width for group in groups), plain=plain, **standardising(section, groups))


def standardising(section: FeaturesSection, groups: tuple[Group, ...]) -> dict[str, Any]:
    """Options of `Standardised` but ``width`` and ``plain``, for any scale but ``none`` and ``case``.

    Raises:
        PlanError: as `late_features`.
    """
    drawn = section.shrink > 0 or section.scale == "auto"
    if section.scale == "common":
        return {"mean": "given", "deviation": "given"}
    if section.scale == "case_common":
        return {"mean": "given", "deviation": "given", "widths": tuple(group.width for group in groups)}
    if section.scale == "centre":
        return {"mean": "local", "deviation": "given", "needs_common": drawn}
    own = {"mean": "local", "deviation": "local"}
    if section.scale == "early":
        return {**own, "needs_common": True, "late": late_features(section, groups)}
    return {**own, "needs_common": drawn}


def late_features(section: FeaturesSection, groups: tuple[Group, ...]) -> Tensor:
    """Which features come from the later half of their network's depths, the middle one of an odd number among them:
    ``(F,)`` bool.

    Raises:
        PlanError: a single depth is read.
    """
    found = []
    for place in range(max(1, len(section.networks))):
        member = f"members.{place}." if section.networks else ""  # as `fedgraft.common.kinds.several` names them
        own = [group.width for group in groups if f"{group.name}.".startswith(member)]
        found += [torch.arange(len(own)).ge(len(own) // 2).repeat_interleave(torch.tensor(own))]
    late = torch.cat(found)
    if bool(late.all()):
        raise PlanError("features.scale=early tells early depths from late ones, and one is read; use own or common")
    return late


def common_values(given: Collection[str], common: Moments) -> dict[str, Tensor]:
    """The given buffers of a `Standardised` for common moments, by name, float32; ``own`` is not changed.

    Args:
        given: the names of all its given buffers.
    """
    values = {MEAN: common.mean, DEVIATION: deviation_of(common.variance)}
    values |= {COMMON_MEAN: common.mean, COMMON_DEVIATION: deviation_of(common.variance)}
    return {name: value.float() for name, value in values.items() if name in given}


def own_values(scale: nn.Module, own: Moments, given: Mapping[str, Tensor], shrink: float) -> dict[str, Tensor]:
    """The local buffers of a `Standardised` at a site, by name, float32.

    Args:
        own: the moments of the site's own training cases.
        given: the given buffers, by name.
        shrink: cases that the common moments weigh.
    """
    roles: Mapping[str, Role] = getattr(scale, "roles", {})
    if COMMON_MEAN in given:
        deviation = given[COMMON_DEVIATION].double()
        common = Moments(1, given[COMMON_MEAN].double(), deviation.square())
        own = drawn_to(own, common, shrink) if bool(given[OWN] > 0) else common
        late = getattr(scale, "late", None)
        if late is not None:
            mean, variance = (torch.where(late, getattr(common, name), getattr(own, name)) for name in _BOTH)
            own = Moments(1, mean, variance)
    values = {MEAN: own.mean, DEVIATION: deviation_of(own.variance)}
    return {name: value.float() for name, value in values.items() if roles.get(name) == "local"}


SAID: Mapping[ScaleName, str] = MappingProxyType(
    {
        "none": "not at all",
        "case": "each stage of a case by its own mean and deviation in that case",
        "common": "by mean and deviation over all sites' training cases",
        "case_common": "each stage of a case by its own mean and deviation in that case, and then by those over all "
        "sites' training cases",
        "centre": "by each site's own mean, and the deviation around it over all sites",
        "own": "by mean and deviation of each site's own training cases, which stay there",
        "own_balanced": "by mean and deviation of each site's own training cases, all its classes weighing the same",
        "early": "by mean and deviation of each site's own training cases in the first half of the network's depths, "
        "which stay there, and by those over all sites' training cases in the later ones",
        "auto": "by the common or each site's own mean and deviation, whichever suits the sites' validation cases",
    }
)
"""What each ``features.scale`` does, for people."""


def common_moments(section: FeaturesSection, parts: Sequence[Moments]) -> Moments:
    """The common moments, from those of one or more sites: of all cases, or (``centre``) with the squared distances
    from each site's own mean."""
    return within(parts) if section.scale == "centre" else pooled(parts)

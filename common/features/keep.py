"""``features.keep``: only the features that tell the classes apart best enter the head (as in Head2Toe, Evci et al.,
ICML 2022, which ranks features of every depth before the head is trained).

Features are ranked by the F statistic of a one-way analysis of variance, each by itself. It follows from sums over
cases, which sites can add up. What sites keep on disk are all features, so that another number costs no extraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.features.class_sums import SUMS, class_sums
from fedgraft.common.interfaces.features import Group
from fedgraft.common.interfaces.head_start import COUNTS, Sums
from fedgraft.common.interfaces.roles import Role

KEPT, _SQUARES = "kept", "squares"
_SMALLEST = 1e-12  # a variance below this share of the mean square is that of a constant feature


class Kept(nn.Module):
    """Some of the features, in their order. At first the first ones: the choice is given before the first round.

    Args:
        keep: how many.
    """

    roles: ClassVar[Mapping[str, Role]] = {KEPT: "given"}

    def __init__(self, keep: int) -> None:
        super().__init__()
        self.register_buffer(KEPT, torch.arange(keep))
        self.keep = keep

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` -> ``(B, keep)`` float32."""
        return features.index_select(1, self.get_buffer(KEPT))


def keep_of(keep: int | None, groups: Sequence[Group]) -> nn.Module:
    """The module that passes ``keep`` of the features of ``groups`` on; `torch.nn.Identity` for all (``None``).

    Raises:
        PlanError: there are no more than ``keep``.
    """
    if keep is None:
        return nn.Identity()
    width = sum(group.width for group in groups)
    if keep >= width:
        raise PlanError(f"features.keep={keep} leaves nothing out: there are {width} features; use fewer, or null")
    return Kept(keep)


def ranking_sums(features: Tensor, labels: Tensor, classes: int) -> Sums:
    """What a site sums up: ``counts (C,)``, ``sums (C, F)`` and ``squares (F,)`` over all its cases, float64.

    Args:
        features: scaled, ``(N, F)`` float32; N may be 0.
        labels: ``(N,)`` int64.
    """
    return {**class_sums(features, labels, classes), _SQUARES: features.double().square().sum(dim=0)}


def between_classes(sums: Sums) -> Tensor:
    """Each feature's share of variance between the classes, ``(F,)`` float64 from 0 to 1; 0 for a constant feature.

    It orders features as the F statistic does: ``F = share / (1 - share) * (N - C) / (C - 1)``.

    Args:
        sums: of `ranking_sums`, over all sites, one case or more.
    """
    counts, squares = sums[COUNTS], sums[_SQUARES]
    cases = counts.sum()
    mean = sums[SUMS].sum(dim=0) / cases
    means = sums[SUMS] / counts.clamp(min=1)[:, None]
    between, whole = counts @ (means - mean).square(), squares - cases * mean.square()
    varies = whole > _SMALLEST * squares
    return torch.where(varies, between / torch.where(varies, whole, 1.0), 0.0)


def best(shares: Tensor, keep: int) -> Tensor:
    """The places of the ``keep`` largest ``shares``, ascending, ``(keep,)`` int64; of equal ones the first."""
    return shares.argsort(descending=True, stable=True)[:keep].sort().values


def require_places(kept: Tensor, width: int) -> None:
    """Check a choice that came over the wire.

    Raises:
        WireError: its numbers are not ascending places of ``width`` features.
    """
    ends = torch.tensor([-1, width], device=kept.device)
    if not bool((torch.cat([ends[:1], kept, ends[1:]]).diff() > 0).all()):
        raise WireError("the features to keep must be places among all features, in ascending order")


def by_group(kept: Tensor, groups: Sequence[Group]) -> dict[str, int]:
    """How many of the kept features come from each group, in order."""
    widths = torch.tensor([group.width for group in groups])
    counts = torch.bincount(torch.bucketize(kept.cpu(), widths.cumsum(0), right=True), minlength=len(groups))
    return {group.name: int(count) for group, count in zip(groups, counts, strict=True)}

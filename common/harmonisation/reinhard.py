"""Colour transfer (Reinhard, Ashikhmin, Gooch & Shirley, "Color transfer between images", IEEE CG&A 21:34, 2001).

Each image's L*, a* and b* get the mean and the deviation that all sites share. The paper works in Ruderman's
l-alpha-beta; CIE L*a*b* is what pathology uses most, and serves other colour images as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.harmonisation.colour import lab_of, rgb_of
from fedgraft.common.harmonisation.image_statistics import three_planes

_SMALLEST = 1e-3  # a deviation in L*a*b* below which a plane has no contrast to be stretched


@dataclass(frozen=True)
class ColourTransfer:
    """The `fedgraft.common.interfaces.harmoniser.Harmoniser` that gives every image the shared mean and deviation of
    L*, a* and b*. A grey image stays grey: of it only L* is changed."""

    def describe(self, image: Tensor) -> Tensor:
        """Means of L*, a* and b*, then their deviations, ``(6,)`` float64."""
        lab = lab_of(three_planes(image)).flatten(1)
        return torch.cat([lab.mean(dim=1), lab.std(dim=1, correction=0)])

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        lab = lab_of(three_planes(image))
        own, shared = self.describe(image).reshape(2, 3, 1, 1), torch.tensor(reference).double().reshape(2, 3, 1, 1)
        factor = torch.where(own[1] > _SMALLEST, shared[1] / own[1].clamp(min=_SMALLEST), torch.ones_like(own[1]))
        moved = (lab - own[0]) * factor + shared[0]
        if len(image) == 1:
            moved = torch.cat([moved[:1], torch.zeros_like(moved[1:])])
        return rgb_of(moved)[: len(image)].float()

"""Stain normalisation (Macenko et al., "A method for normalizing histology slides for quantitative analysis", ISBI
2009): the colours of two stains and how strong they are, found in each image, are replaced by those that all share.

Light is absorbed by each stain in proportion (Beer and Lambert), so that optical densities lie in the plane of the two
stains' vectors: its directions at the extremes are the stains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.image_statistics import three_planes

PUBLISHED = (0.5626, 0.7201, 0.4062, 0.2159, 0.8012, 0.5581, 1.9705, 1.0308)
"""The reference of the authors' program: haematoxylin's vector, eosin's, and the 99th percentiles of both."""
_FEW = 16
"""Pixels of tissue below which an image has no stains to find."""


@dataclass(frozen=True)
class Stains:
    """The `fedgraft.common.interfaces.harmoniser.Harmoniser` of two stains.

    ``light``: the value of a pixel without tissue, above 0 and at most 1. ``least``: optical density (natural
    logarithm) below which a pixel is background, above 0. ``extreme``: percentile of the directions that are the
    stains, above 0 and below 50.

    Raises:
        PlanError: one is out of range.
    """

    light: float
    least: float
    extreme: float

    def __post_init__(self) -> None:
        if not 0 < self.light <= 1:
            raise PlanError(f"harmonise.light={self.light:g} must be above 0 and at most 1, the value of white")
        if self.least <= 0:
            raise PlanError(f"harmonise.least={self.least:g} must be above 0, the density of no tissue")
        if not 0 < self.extreme < 50:
            raise PlanError(f"harmonise.extreme={self.extreme:g} must be a percentile above 0 and below 50")

    def describe(self, image: Tensor) -> Tensor:
        """The vector of the stain that absorbs more red, that of the other, and the 99th percentiles of both, ``(8,)``
        float64. An image without tissue, or without two colours, counts as `PUBLISHED`."""
        found = self._found(self._density(three_planes(image)))
        return (
            torch.tensor(PUBLISHED, dtype=torch.float64) if found is None else torch.cat([found[0].flatten(), found[1]])
        )

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        """An image without tissue stays as it is.

        Raises:
            PlanError: the image is grey.
        """
        if len(image) == 1:
            raise PlanError("harmonise=macenko finds stains by their colours, and an image is grey; use histogram")
        density = self._density(image)
        found = self._found(density)
        if found is None:
            return image
        own, strong = found
        shared = torch.tensor(reference, dtype=torch.float64)
        vectors, most = torch.nn.functional.normalize(shared[:6].reshape(2, 3), dim=1), shared[6:]
        amounts = torch.linalg.lstsq(own.T, density).solution * (most / strong)[:, None]
        pixels = self.light * torch.exp(-(vectors.T @ amounts))
        return pixels.clamp(0, 1).reshape(image.shape).float()

    def _density(self, image: Tensor) -> Tensor:
        """``(3, pixels)`` float64."""
        return -torch.log(image.double().flatten(1).clamp(min=1 / 255) / self.light)

    def _found(self, density: Tensor) -> tuple[Tensor, Tensor] | None:
        """The vectors ``(2, 3)`` of length 1 and the 99th percentiles ``(2,)``; ``None`` if there are no two stains."""
        tissue = density[:, (density >= self.least).all(dim=0)]
        if tissue.shape[1] < _FEW:
            return None
        values, vectors = torch.linalg.eigh(torch.cov(tissue))
        plane = vectors[:, 1:]
        if values[1] <= 1e-8 * values[2].clamp(min=1e-30):
            return None
        plane = plane * torch.where(plane.sum(dim=0) < 0, -1.0, 1.0)
        across, along = plane.T @ tissue
        angles = torch.quantile(
            torch.atan2(across, along), torch.tensor([self.extreme, 100 - self.extreme]).double() / 100
        )
        stains = (plane @ torch.stack([angles.sin(), angles.cos()])).T
        first = int(stains[0, 0] < stains[1, 0])
        stains = stains[[first, 1 - first]]
        amounts = torch.linalg.lstsq(stains.T, density).solution
        strong = torch.quantile(amounts, 0.99, dim=1)
        return None if bool((strong <= 0).any()) else (stains, strong)

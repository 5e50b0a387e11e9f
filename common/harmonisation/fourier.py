"""Fourier amplitude mixing (FDA: Yang & Soatto, CVPR 2020; between hospitals, FedDG: Liu et al., CVPR 2021).

A scanner affects mostly the amplitudes of an image's low frequencies; anatomy is mostly in the phases. The low
amplitudes of every image are mixed with their means over all sites' training images; phases and high frequencies do not
change. FedDG instead exchanges the amplitudes of single images, and mixes at random as an augmentation. The planes of a
colour image are harmonised separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.image_statistics import of_planes, three_planes


@dataclass(frozen=True)
class LowAmplitudes:
    """The `fedgraft.common.interfaces.harmoniser.Harmoniser` that mixes the amplitudes of low frequencies.

    ``band``: the paper's beta, above 0 and below 0.5: along each axis, frequencies up to ``band`` times the image's
    side in pixels; below 1 that is the mean brightness alone. ``share``: weight of the shared amplitudes, above 0 and
    at most 1; the image's own have the rest.

    Raises:
        PlanError: ``band`` or ``share`` is out of range.
    """

    band: float
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.band < 0.5:
            raise PlanError(f"harmonise.band={self.band:g} must be above 0 and below 0.5, half of an image's side")
        if not 0 < self.share <= 1:
            raise PlanError(
                f"harmonise.share={self.share:g} must be above 0, where it would have no effect, and at most 1"
            )

    def describe(self, image: Tensor) -> Tensor:
        """Low-frequency amplitudes of three planes, ``(3 (2b + 1) (b + 1),)`` float64 with ``b = floor(band S)``; that
        of frequency 0 is the mean. Half the spectrum suffices: the image is real."""
        spectrum, rows, columns = self._spectrum(three_planes(image))
        return spectrum[:, rows, columns].abs().flatten()

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        spectrum, rows, columns = self._spectrum(image)
        low = spectrum[:, rows, columns]
        shared = of_planes(torch.tensor(reference, dtype=torch.float64).reshape(3, -1), len(image)).reshape(low.shape)
        amplitudes = torch.lerp(low.abs(), shared, self.share)
        spectrum[:, rows, columns] = torch.polar(amplitudes, low.angle())
        mixed: Tensor = torch.fft.irfft2(spectrum, s=image.shape[-2:], norm="forward")
        return mixed.float().clamp(0, 1)

    def _spectrum(self, image: Tensor) -> tuple[Tensor, Tensor, slice]:
        """Half the spectrum, ``(C, S, S // 2 + 1)`` complex128, and the rows and columns of its low frequencies."""
        side = image.shape[-1]
        most = int(self.band * side)
        rows = torch.cat([torch.arange(most + 1), torch.arange(side - most, side)])
        return torch.fft.rfft2(image.double(), norm="forward"), rows, slice(0, most + 1)

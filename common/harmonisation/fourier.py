"""Fourier amplitude mixing (FDA: Yang & Soatto, CVPR 2020; between hospitals, FedDG: Liu et al., CVPR 2021).

What a scanner does to an image lies mostly in the amplitudes of its low frequencies, and anatomy in the phases. The low
amplitudes are mixed with means over all sites' training images; phases and high frequencies stay. FedDG exchanges
single images' amplitudes, and mixes at random as an augmentation; here only means leave a site, and every image is
mixed in the same way. Colour: each plane by itself.
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
    """`fedgraft.common.interfaces.harmoniser.Harmoniser` by the amplitudes of low frequencies.

    ``band``: frequencies up to so many parts of the image's side, along each axis (the paper's beta); at ``band`` times
    side below 1 it is the mean brightness alone. ``share``: of the shared amplitudes; the image's own are the rest.
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
        """Amplitudes of three planes, ``(3 (2b + 1) (b + 1),)`` float64 with ``b = floor(band S)``; that of frequency 0
        is the mean. The other half of the spectrum of a real image is the mirror image of this one."""
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
        """Half the spectrum, ``(C, S, S // 2 + 1)`` complex128, and where its low frequencies are."""
        side = image.shape[-1]
        most = int(self.band * side)
        rows = torch.cat([torch.arange(most + 1), torch.arange(side - most, side)])
        return torch.fft.rfft2(image.double(), norm="forward"), rows, slice(0, most + 1)

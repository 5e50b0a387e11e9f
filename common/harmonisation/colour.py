"""Colours as CIE L*a*b* (CIE 15:2004; sRGB after IEC 61966-2-1, white D65, 2 degree observer)."""

from __future__ import annotations

import torch
from torch import Tensor

_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)
_STRAIGHT = (6 / 29) ** 3


def lab_of(rgb: Tensor) -> Tensor:
    """sRGB ``(3, ...)`` in [0, 1] -> L* in [0, 100], a* and b*, float64."""
    wide = rgb.double()
    linear = torch.where(wide > 0.04045, ((wide + 0.055) / 1.055).clamp(min=0) ** 2.4, wide / 12.92)
    xyz = torch.tensordot(torch.tensor(_TO_XYZ, dtype=torch.float64), linear, dims=1)
    x, y, z = (_bent(part / white) for part, white in zip(xyz, _WHITE, strict=True))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def rgb_of(lab: Tensor) -> Tensor:
    """L*, a* and b* ``(3, ...)`` -> sRGB float64; colours that a screen can't show are cut off to [0, 1]."""
    y = (lab[0] + 16) / 116
    bent = torch.stack([y + lab[1] / 500, y, y - lab[2] / 200])
    straight = torch.where(bent > 6 / 29, bent**3, (bent - 4 / 29) * 3 * (6 / 29) ** 2)
    xyz = straight * torch.tensor(_WHITE, dtype=torch.float64).reshape(-1, *[1] * (lab.ndim - 1))
    linear = torch.tensordot(torch.linalg.inv(torch.tensor(_TO_XYZ, dtype=torch.float64)), xyz, dims=1).clamp(0, 1)
    found: Tensor = torch.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return found.clamp(0, 1)


def _bent(part: Tensor) -> Tensor:
    return torch.where(part > _STRAIGHT, part.clamp(min=0) ** (1 / 3), part / (3 * (6 / 29) ** 2) + 4 / 29)

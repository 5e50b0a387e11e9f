"""A calibration's maps as a module of torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedgraft.common.calibration.maps import TILT, Map
from fedgraft.common.tasks.metrics import SOFTNESS


class Calibrated(nn.Module):
    """Log odds ``(N, S)`` -> calibrated log odds ``(N, S)``, by one map for each scored class."""

    def __init__(self, maps: Sequence[Map]) -> None:
        super().__init__()
        self.maps = nn.ModuleList([_Knots(one) if one.knots else _Line(one) for one in maps])

    def forward(self, log_odds: Tensor) -> Tensor:
        return torch.stack([one(log_odds[:, place]) for place, one in enumerate(self.maps)], dim=1)


class _Line(nn.Module):
    """`Map` without knots, of ``(N,)``."""

    def __init__(self, of: Map) -> None:
        super().__init__()
        self.slope, self.intercept = of.slope, of.intercept

    def forward(self, scores: Tensor) -> Tensor:
        return self.slope * scores + self.intercept


class _Knots(nn.Module):
    """`Map` with knots, of ``(N,)``: the first knot's log odds, and how much of each stretch's climb is passed."""

    starts: Tensor
    widths: Tensor
    climbs: Tensor

    def __init__(self, of: Map) -> None:
        super().__init__()
        at, odds = torch.tensor(of.knots, dtype=torch.float64).T
        places = (at / SOFTNESS).asinh()
        self.slope, self.intercept, self.first = of.slope, of.intercept, float(odds[0])
        self.register_buffer("starts", places[:-1].float())
        self.register_buffer("widths", places.diff().clamp(min=1e-9).float())
        self.register_buffer("climbs", odds.diff().float())

    def forward(self, scores: Tensor) -> Tensor:
        place = (scores / SOFTNESS).asinh()
        passed = ((place[:, None] - self.starts) / self.widths).clamp(0, 1)
        inner = self.first + (passed * self.climbs).sum(dim=1) + TILT * place
        return self.slope * inner + self.intercept

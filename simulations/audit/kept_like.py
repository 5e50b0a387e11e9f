"""Features of nobody, drawn like those that pretrained networks give of medical images.

Measured on three kinds of kept features of PneumoniaMNIST: the variance of the k-th principal component falls as 1 / k;
the first one tells classes apart by 2.0 of their deviations, all together by 3.1, most of it in the first 64.
"""

from __future__ import annotations

import torch
from torch import Tensor

FIRST, REST = 2.0, 2.4
_SPREAD = 64
"""Components over which the rest of the difference between classes is spread."""


def kept_like(
    cases: int, width: int, classes: int, generator: torch.Generator, apart: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, labels, and what tells classes apart, for more cases of the same kind.

    Args:
        apart: of an earlier call.

    Returns:
        inputs ``(N, F)`` float32, whose squares are 1 on average; labels ``(N,)`` int64; and ``(C, F)``.
    """
    labels = torch.randint(0, classes, (cases,), generator=generator)
    if apart is None:
        apart = _apart(width, classes, generator)
    falling = torch.arange(1, width + 1).float().reciprocal()
    sizes = (width * falling / falling.sum()).sqrt()
    drawn = torch.randn(cases, width, generator=generator) + apart[labels]
    return drawn * sizes, labels, apart


def _apart(width: int, classes: int, generator: torch.Generator) -> Tensor:
    """The means of classes, in deviations of each component: those of two classes differ by `FIRST` in the first one,
    and in length by `REST` in the others."""
    spread = min(_SPREAD, width)
    drawn = torch.randn(classes, width, generator=generator)
    drawn *= torch.arange(1, width + 1).float().rsqrt()
    drawn[:, spread:] = 0
    drawn[:, 0] = torch.linspace(-1, 1, classes) * FIRST * (classes - 1) / 2
    rest = drawn[:, 1:] - drawn[:, 1:].mean(dim=0)
    drawn[:, 1:] = rest / rest.norm(dim=1, keepdim=True).clamp(min=1e-6) * REST / 2
    return drawn

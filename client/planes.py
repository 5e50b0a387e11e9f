"""Grey and colour images described by the same numbers: a grey image counts as three equal planes."""

from __future__ import annotations

from torch import Tensor


def three_planes(image: Tensor) -> Tensor:
    """``(1 or 3, S, S)`` -> ``(3, S, S)``."""
    return image.expand(3, -1, -1)


def of_planes(numbers: Tensor, planes: int) -> Tensor:
    """``(3, K)`` numbers of three planes -> ``(planes, K)``: for a grey image their mean."""
    return numbers if planes == 3 else numbers.mean(0, keepdim=True)

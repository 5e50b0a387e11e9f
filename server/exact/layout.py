"""Named tensors as one vector, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.exact.suitability import is_penalised
from fedgraft.common.wire.messages import Specs

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """The order of tensors in a vector, by name, and their shapes."""

    specs: Specs

    def vector(self, tensors: Mapping[str, Tensor]) -> Vector:
        """The tensors' numbers, ``(P,)`` float64."""
        return np.concatenate([tensors[name].detach().double().reshape(-1).numpy() for name in self.specs])

    def tensors(self, vector: Vector) -> dict[str, Tensor]:
        """The tensors, float64; they are copies."""
        ends = np.cumsum([prod(spec.shape) for spec in self.specs.values()])
        parts = np.split(vector, ends[:-1])
        return {
            name: torch.from_numpy(part.copy()).reshape(spec.shape)
            for (name, spec), part in zip(self.specs.items(), parts, strict=True)
        }

    @cached_property
    def penalised(self) -> Vector:
        """1 for each number that a ridge penalises, else 0, ``(P,)``."""
        parts = [np.full(prod(s.shape), is_penalised(torch.empty(s.shape)), np.float64) for s in self.specs.values()]
        return np.concatenate(parts)

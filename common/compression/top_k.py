"""Send only the largest changes of each tensor; the rest is added to the next round's change.

Sparsified SGD with memory (Stich et al., NeurIPS 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fedgraft.common.compression.changes import Parts, Shape, checked, decode_changes, encode_changes
from fedgraft.common.compression.sparse import INDEX, VALUE, places, put
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors


@dataclass(frozen=True)
class TopK(Codec):
    """The changes of largest magnitude, in float32, and their positions.

    Error feedback is always on: without it a small change would never be sent, however often it is repeated.

    Args:
        fraction: the share of each tensor's numbers that is sent, above 0 and at most 1; at least one number.
    """

    fraction: Annotated[float, Field(gt=0, le=1)]

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        return encode_changes(tensors, received, residual, self._write, self._read)

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        return decode_changes(payload, received, (INDEX, VALUE), self._read)

    def _write(self, change: Tensor) -> Parts:
        flat = change.flatten()
        return places(flat, flat.abs().topk(self._count(tuple(change.shape))).indices.sort().values)

    def _read(self, name: str, parts: Parts, shape: Shape) -> Tensor:
        checked(name + INDEX, parts[INDEX], (self._count(shape),), torch.int32)
        return put(name, parts, torch.zeros(shape))

    def _count(self, shape: Shape) -> int:
        return max(1, round(self.fraction * math.prod(shape)))

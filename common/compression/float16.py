"""float16: half the bytes.

The change is rounded, not the tensor: float16 keeps 11 bits of a change of 0.001 but would only keep steps of
0.001 of a weight near 1, and a late round's whole change could vanish. What is lost is below 0.05 % of each number's
change, so nothing is carried over.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.compression.changes import Parts, Shape, checked, decode_changes, encode_changes
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors


@dataclass(frozen=True)
class Float16(Codec):
    """The change in float16; in float32 if it holds a number above float16's largest, 65,504."""

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        return Encoded(encode_changes(tensors, received, {}, _write, _read).payload)

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        return decode_changes(payload, received, ("",), _read)


def _write(change: Tensor) -> Parts:
    half = change.to(torch.float16)
    return {"": half if bool(torch.isfinite(half).all()) else change}


def _read(name: str, parts: Parts, shape: Shape) -> Tensor:
    return checked(name, parts[""], shape, torch.float16, torch.float32).to(torch.float32)

"""Send changes as float16: half the bytes.

The change is rounded, not the tensor: float16 has 11 significant bits for a change of 0.001, but steps of 0.001 for a
weight near 1, so that a late round's whole change could vanish. The rounding error is below 0.05 % of each number's
change, so there is no error feedback.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.compression.changes import Parts, Shape, checked, decode_changes, encode_changes
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors


@dataclass(frozen=True)
class Float16(Codec):
    """Each tensor's change in float16; in float32 if a number exceeds float16's largest, 65,504."""

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

"""Send changes as int8 with one scale per row, rounded stochastically without bias: a quarter of the bytes.

QSGD (Alistarh et al., NeurIPS 2017) with each row's largest magnitude in place of its norm, and error feedback.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fedgraft.common.compression.changes import Parts, Shape, checked, decode_changes, encode_changes
from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors

LEVELS = 127
"""Steps on either side of zero; -128 is not used, so that the range is symmetric."""
SCALE = "#scale"


@dataclass(frozen=True)
class Int8(Codec):
    """Each change as int8 multiples of a float32 scale per row: the row's largest magnitude / 127.

    A row is one index of the first axis (a head's class, a convolution's output channel); a vector is one row.

    Args:
        error_feedback: add an update's rounding error to the next change.
    """

    error_feedback: bool = True

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        encoded = encode_changes(tensors, received, residual, partial(quantise, generator=generator), dequantise)
        return encoded if self.error_feedback else Encoded(encoded.payload)

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        return decode_changes(payload, received, ("", SCALE), dequantise)


def quantise(change: Tensor, generator: torch.Generator | None) -> Parts:
    """Quantise ``change`` ``(rows, ...)`` or ``(n,)`` float32: int8 steps of the same shape, float32 scale ``(rows,)``.

    With a generator, rounding is stochastic and unbiased: a number goes to the upper of its two neighbouring steps with
    a probability equal to its distance from the lower one. Without, it goes to the nearest.
    """
    rows = change.reshape(_rows(tuple(change.shape)), -1)
    scale = rows.abs().amax(dim=1) / LEVELS
    # a row of zeros, or one so small that its scale underflows, is sent as zeros
    steps = rows / torch.where(scale > 0, scale, 1.0)[:, None]
    whole = steps.round() if generator is None else (steps + torch.rand(steps.shape, generator=generator)).floor()
    return {"": whole.clamp(-LEVELS, LEVELS).to(torch.int8).reshape(change.shape), SCALE: scale}


def dequantise(name: str, parts: Parts, shape: Shape) -> Tensor:
    """The change of `quantise`'s parts, to within one step.

    Raises:
        WireError: a shape or dtype is wrong, or a scale is negative or not finite.
    """
    steps = checked(name, parts[""], shape, torch.int8)
    scale = checked(name + SCALE, parts[SCALE], (_rows(shape),), torch.float32)
    if bool((scale < 0).any()):
        raise WireError(f"tensor {name}{SCALE} holds a negative scale")
    return (steps.reshape(len(scale), -1) * scale[:, None]).reshape(shape)


def _rows(shape: Shape) -> int:
    return shape[0] if len(shape) > 1 else 1

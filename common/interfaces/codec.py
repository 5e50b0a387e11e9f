"""Compression of updates: what a plan's ``compression._target_`` must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Encoded:
    """The payload to send, and for error feedback the residual of each tensor, to be added to its next change (float32,
    the tensor's shape)."""

    payload: dict[str, Tensor]
    residual: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Codec(Protocol):
    """Encodes tensors as a payload, and decodes it.

    A class may have a further attribute ``lossless``: true if decoding gives the encoded tensors, bit for bit.
    """

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        """Encode ``tensors`` as a payload.

        Args:
            tensors: the trained tensors, on the CPU.
            received: the tensors that training started from; the same names, shapes and dtypes.
            residual: of the site's last update; empty at first.
            generator: for stochastic rounding; ``None`` rounds to nearest.

        Raises:
            WireError: the codec rounds, and a number is not finite or ``residual`` belongs to another model.
        """
        ...

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        """Decode a payload that another machine sent: ``received`` plus the change, in ``received``'s dtypes.

        Raises:
            WireError: names, shapes, dtypes or indices do not fit ``received``, or a number is not finite.
        """
        ...


def is_lossless(codec: object) -> bool:
    """Whether decoding restores tensors exactly; ``codec`` is a `Codec` or its class."""
    return bool(getattr(codec, "lossless", False))

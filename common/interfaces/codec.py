"""How tensors are written smaller: what a plan's ``compression._target_`` must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Encoded:
    """What is sent, and by tensor what error feedback adds to the next change (float32, the tensor's shape)."""

    payload: dict[str, Tensor]
    residual: dict[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Codec(Protocol):
    """Writes tensors as a payload, and reads it.

    A class may have one attribute more, ``lossless``: true if what it reads is what was written, bit for bit.
    """

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        """Write ``tensors`` as a payload.

        Args:
            tensors: what was trained, on the CPU.
            received: what training started from; the same names, shapes and dtypes.
            residual: of the site's last update; empty at first.
            generator: draws the rounding, where there is any; ``None`` rounds to nearest.

        Raises:
            WireError: the codec rounds, and a number is not finite or ``residual`` belongs to another model.
        """
        ...

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        """Read a payload that another machine sent: ``received`` plus the change, in ``received``'s dtypes.

        Raises:
            WireError: names, shapes, dtypes or indices do not fit ``received``, or a number is not finite.
        """
        ...


def is_lossless(codec: object) -> bool:
    """Whether nothing is rounded or left out; ``codec`` is a `Codec` or its class."""
    return bool(getattr(codec, "lossless", False))

"""No compression: every tensor is sent as it is. Used if the plan names no codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedgraft.common.compression.changes import check_names, checked
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors


@dataclass(frozen=True)
class Exact(Codec):
    """The tensors as they are."""

    lossless: ClassVar[bool] = True

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        return Encoded(dict(tensors))

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        check_names(payload, received)
        return {name: checked(name, payload[name], tuple(old.shape), old.dtype) for name, old in received.items()}

"""Send only the numbers that changed, without rounding: tensors that the site did not train cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fedgraft.common.compression.changes import SMALL, Parts, check_names, checked
from fedgraft.common.compression.sparse import INDEX, VALUE, places, put
from fedgraft.common.interfaces.codec import Codec, Encoded, Tensors


@dataclass(frozen=True)
class Changed(Codec):
    """Tensors that differ in any bit from those received: whole, or only the differing numbers if that is smaller."""

    lossless: ClassVar[bool] = True

    def encode(
        self, tensors: Tensors, received: Tensors, residual: Tensors, generator: torch.Generator | None
    ) -> Encoded:
        parts = {name: _write(tensor, received[name]) for name, tensor in tensors.items()}
        return Encoded({name + suffix: part for name in parts for suffix, part in parts[name].items()})

    def decode(self, payload: Tensors, received: Tensors) -> dict[str, Tensor]:
        parts = {name: _parts_of(name, payload) for name in received}
        check_names(payload, {name + suffix for name in parts for suffix in parts[name]})
        return {name: _read(name, parts[name], old) for name, old in received.items()}


def _write(tensor: Tensor, old: Tensor) -> Parts:
    index = (_bits(tensor) != _bits(old)).any(dim=1).nonzero().flatten()
    if len(index) == 0:
        return {}
    # an index costs 4 bytes; below SMALL a second array costs more than it saves
    saved = tensor.numel() * tensor.element_size() - len(index) * (4 + tensor.element_size())
    return places(tensor.flatten(), index) if saved > 4 * SMALL else {"": tensor}


def _parts_of(name: str, payload: Mapping[str, Tensor]) -> Parts:
    """A tensor's arrays in the payload: none, the whole tensor, or its indices and values.

    Raises:
        WireError: of indices and values there is only one.
    """
    if name in payload:
        return {"": payload[name]}
    found = [suffix for suffix in (INDEX, VALUE) if name + suffix in payload]
    if not found:
        return {}
    check_names([name + suffix for suffix in found], [name + INDEX, name + VALUE])
    return {suffix: payload[name + suffix] for suffix in found}


def _read(name: str, parts: Parts, old: Tensor) -> Tensor:
    if not parts:
        return old.clone()
    return checked(name, parts[""], tuple(old.shape), old.dtype) if "" in parts else put(name, parts, old)


def _bits(tensor: Tensor) -> Tensor:
    """``(n, bytes of a number)`` uint8; comparing bytes tells -0.0 from 0.0, which are equal as numbers."""
    flat = tensor.contiguous().reshape(-1)  # one dimension first: a 1x1 convolution, channels last, has no stride of 1
    return flat.view(torch.uint8).reshape(-1, tensor.element_size())

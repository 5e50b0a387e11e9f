"""Pack a backbone into a Flower record, and unpack it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import safetensors.torch
import torch
from flwr.app import Array, ArrayRecord
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.wire import arrays

States = Mapping[str, Mapping[str, Tensor]]
"""Tensors by name of each network, by its digest."""


def pack_backbone(states: States) -> ArrayRecord:
    """Pack one or several networks, each as one uint8 array, the bytes of a safetensors file: Flower fetches each array
    by calls of its own, so that hundreds of arrays take half a minute even on loopback."""
    return arrays.record_of((digest, _bytes_of(states[digest])) for digest in sorted(states))


def _bytes_of(state: Mapping[str, Tensor]) -> Tensor:
    content = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def unpack_backbone(record: ArrayRecord) -> dict[str, dict[str, Tensor]]:
    """The tensors of each network, by the digest that it is sent under; the receiver checks that it is theirs.

    Raises:
        WireError: there is none, or one is no safetensors file.
    """
    if not record:
        raise WireError("the message lacks the backbone")
    return {digest: _state_of(array) for digest, array in record.items()}


def _state_of(array: Array) -> dict[str, Tensor]:
    content = arrays.read("the backbone", array)
    if content.dtype != np.uint8:
        raise WireError("the message lacks the backbone")
    try:
        return safetensors.torch.load(content.tobytes())
    except safetensors.SafetensorError as error:
        raise WireError("the backbone that came is no safetensors file") from error

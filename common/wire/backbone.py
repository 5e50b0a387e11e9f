"""Pack a backbone into a Flower record, and unpack it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import safetensors.torch
import torch
from flwr.app import ArrayRecord
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.wire import arrays

PARCEL = "safetensors"


def pack_backbone(state: Mapping[str, Tensor]) -> ArrayRecord:
    """Pack a backbone as one uint8 array, the bytes of a safetensors file: Flower fetches each array by calls of its
    own, so that hundreds of arrays take half a minute even on loopback."""
    content = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})
    return arrays.record_of([(PARCEL, torch.frombuffer(bytearray(content), dtype=torch.uint8))])


def unpack_backbone(record: ArrayRecord) -> dict[str, Tensor]:
    """A backbone's tensors; the receiver checks their digest.

    Raises:
        WireError: the array is missing or no safetensors file.
    """
    parcel = record.get(PARCEL)
    content = None if parcel is None else arrays.read("the backbone", parcel)
    if content is None or content.dtype != np.uint8:
        raise WireError("the message lacks the backbone")
    try:
        return safetensors.torch.load(content.tobytes())
    except safetensors.SafetensorError as error:
        raise WireError("the backbone that came is no safetensors file") from error

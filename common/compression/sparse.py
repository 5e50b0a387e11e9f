"""Some numbers of a tensor, with their positions in the flattened tensor: ``#value`` (k,) and ``#index`` (k,) int32."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.compression.changes import Parts, checked
from fedgraft.common.errors import WireError

INDEX, VALUE = "#index", "#value"


def places(flat: Tensor, index: Tensor) -> Parts:
    """The numbers of ``flat`` ``(n,)`` at ``index``: ``(k,)`` int64, increasing."""
    return {INDEX: index.to(torch.int32), VALUE: flat[index]}


def put(name: str, parts: Parts, into: Tensor) -> Tensor:
    """A copy of ``into`` (any shape) with the numbers of ``parts`` written to their positions.

    Raises:
        WireError: an index is outside the tensor, the indices do not strictly increase, or the values are not one
            finite number of ``into``'s dtype per index.
    """
    index = parts[INDEX]
    checked(name + INDEX, index, (index.numel(),), torch.int32)
    if bool((index[1:] <= index[:-1]).any()):
        raise WireError(f"tensor {name}{INDEX} must increase, each index once")
    if len(index) and not 0 <= int(index[0]) <= int(index[-1]) < into.numel():
        raise WireError(f"tensor {name}{INDEX} points outside its tensor of {into.numel()} numbers")
    value = checked(name + VALUE, parts[VALUE], (len(index),), into.dtype)
    return into.flatten().index_copy(0, index.to(torch.int64), value).reshape(into.shape)

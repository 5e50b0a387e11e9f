"""Some numbers of a tensor, with their places in the flattened tensor: ``#index`` int32 (k,) and ``#value`` (k,)."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.compression.changes import Parts, checked
from fedgraft.common.errors import WireError

INDEX, VALUE = "#index", "#value"


def places(flat: Tensor, index: Tensor) -> Parts:
    """The numbers of ``flat`` (n,) at ``index`` (k,) int64, increasing."""
    return {INDEX: index.to(torch.int32), VALUE: flat[index]}


def put(name: str, parts: Parts, into: Tensor) -> Tensor:
    """A copy of ``into``, of any shape, with the numbers of ``parts`` in their places.

    Raises:
        WireError: an index is outside the tensor, or they do not increase (so none comes twice); the values are not
            one per index, of ``into``'s dtype and finite.
    """
    index = parts[INDEX]
    checked(name + INDEX, index, (index.numel(),), torch.int32)
    if bool((index[1:] <= index[:-1]).any()):
        raise WireError(f"tensor {name}{INDEX} must increase, each index once")
    if len(index) and not 0 <= int(index[0]) <= int(index[-1]) < into.numel():
        raise WireError(f"tensor {name}{INDEX} points outside its tensor of {into.numel()} numbers")
    value = checked(name + VALUE, parts[VALUE], (len(index),), into.dtype)
    return into.flatten().index_copy(0, index.to(torch.int64), value).reshape(into.shape)

"""Flower arrays that are serialised only when they are sent.

Flower's own ``Array`` serialises when it is made and parses whenever it is read. Within one process neither is needed:
a `HeldArray` passes its numpy array on. On the wire it is an ``Array`` like any other.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import WireError

Numbers = NDArray[np.generic]
_STYPE = "numpy.ndarray"
PLAIN = frozenset(map(np.dtype, ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?")))
"""The dtypes that may be sent: numbers that both numpy and torch have."""
_SQUARED = (torch.float32, torch.float64)
_FEW = 8
"""So many tensors are looked at one by one: faster than torch, which prepares for more."""


class HeldArray(Array):
    """An ``Array`` that holds a numpy array, which nobody may write to any more.

    Args:
        values: any shape, a dtype in `PLAIN`.
    """

    def __init__(self, values: Numbers) -> None:
        self.__dict__.update(dtype=dtype_name(values.dtype), shape=values.shape, stype=_STYPE, _values=values)

    @property
    def values(self) -> Numbers:
        """The array itself."""
        values: Numbers = self.__dict__["_values"]
        return values

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """The array in numpy's file format; serialised at the first access."""
        if "_bytes" not in self.__dict__:
            buffer = io.BytesIO()
            np.save(buffer, self.values, allow_pickle=False)
            self.__dict__["_bytes"] = buffer.getvalue()
        return cast(bytes, self.__dict__["_bytes"])

    def numpy(self) -> NDArray[Any]:
        """A read-only view of the array."""
        view = self.values.view()
        view.flags.writeable = False
        return view

    def __reduce__(self) -> tuple[type[Array], tuple[str, tuple[int, ...], str, bytes]]:
        return Array, (self.dtype, self.shape, self.stype, self.data)


HeldArray.__qualname__ = Array.__qualname__  # Flower sends the class's name with the bytes, and accepts only its own


def record_of(tensors: Iterable[tuple[str, Tensor]]) -> ArrayRecord:
    """A record that holds the named tensors without copying or serialising them.

    The record is filled directly: Flower's constructor copies each array, and its item assignment is slow.
    """
    record = ArrayRecord()
    record.__dict__["_data"].update((name, HeldArray(_numbers(tensor))) for name, tensor in tensors)
    return record


def _numbers(tensor: Tensor) -> Numbers:
    plain = tensor.detach().cpu() if tensor.requires_grad or tensor.device.type != "cpu" else tensor
    return np.asarray(plain.numpy(), order="C")


def read(what: str, array: Array) -> Numbers:
    """The numbers of an array, writable unless it is a `HeldArray`.

    Args:
        what: the array's name in an error; must not come from the sender.

    Raises:
        WireError: the array can't be decoded, or its dtype is not in `PLAIN`.
    """
    if isinstance(array, HeldArray):
        return array.values
    try:
        values = array.numpy()
    except Exception as error:
        # the bytes are the sender's, and numpy raises several kinds of error for bytes that are no array
        raise WireError(f"{what} can't be decoded") from error
    if not isinstance(values, np.ndarray) or not values.dtype.isnative or values.dtype not in PLAIN:
        raise WireError(f"{what} is not made of plain numbers")
    return values if values.flags.writeable else values.copy()


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor that holds an infinite number or NaN; ``None`` if none does."""
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    if _squares_are_finite(floating.values()):
        return None
    return next((name for name, tensor in floating.items() if not bool(torch.isfinite(tensor).all())), None)


def _squares_are_finite(tensors: Collection[Tensor]) -> bool:
    """Whether the squares of all numbers have a finite sum, so that all are finite; those of finite ones may overflow.
    One pass without temporaries."""
    if len(tensors) > _FEW or any(tensor.dtype not in _SQUARED for tensor in tensors):
        return not tensors or bool(torch.nn.utils.get_total_norm(tensors).isfinite())
    flat = [_numbers(tensor).ravel() for tensor in tensors]
    with np.errstate(all="ignore"):
        return all(math.isfinite(np.dot(one, one)) for one in flat)


def newly_not_finite(held: Mapping[str, Array], tensors: Mapping[str, Tensor]) -> str | None:
    """`not_finite` of ``tensors``, read from the arrays ``held`` of the same names; an array that passed is not checked
    again, since many sites of one process may receive it."""
    unseen = {name: tensor for name, tensor in tensors.items() if "_finite" not in held[name].__dict__}
    found = not_finite(unseen)
    if found is None:
        for name in unseen:
            held[name].__dict__["_finite"] = True
    return found


def count_bytes(array: Array) -> int:
    """Bytes of the array in numpy's file format, as it travels."""
    if isinstance(array, HeldArray):
        values = array.values
        return _header_bytes(values.dtype, values.shape) + values.nbytes
    return len(array.data)


@lru_cache(maxsize=64)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """A dtype's name (``float32``), cached: numpy is slow to make it."""
    return dtype.name


@lru_cache(maxsize=4096)
def _header_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return buffer.tell()

"""Numbers as Flower arrays that are turned into bytes only when they travel.

Flower's own ``Array`` serialises when it is made and parses whenever it is read. Within one process neither is needed:
a `HeldArray` hands its numbers over as they are. On the wire it is an ``Array`` like any other.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
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
"""What may travel: the kinds of number that numpy and torch both have."""


class HeldArray(Array):
    """Holds an array; it belongs to the message from then on, and nobody writes to it.

    Args:
        values: any shape, a plain numeric dtype.
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
        """The array in numpy's file format; written when first asked for."""
        if "_bytes" not in self.__dict__:
            buffer = io.BytesIO()
            np.save(buffer, self.values, allow_pickle=False)
            self.__dict__["_bytes"] = buffer.getvalue()
        return cast(bytes, self.__dict__["_bytes"])

    def numpy(self) -> NDArray[Any]:
        """The array, so that it can't be written to."""
        view = self.values.view()
        view.flags.writeable = False
        return view

    def __reduce__(self) -> tuple[type[Array], tuple[str, tuple[int, ...], str, bytes]]:
        return Array, (self.dtype, self.shape, self.stype, self.data)


HeldArray.__qualname__ = Array.__qualname__  # Flower writes the class's name before the bytes, and knows only its own


def record_of(tensors: Iterable[tuple[str, Tensor]]) -> ArrayRecord:
    """Named tensors as a record that holds them as they are.

    Flower's constructor would copy each array, and its item assignment takes longer than a small array's arithmetic.
    """
    record = ArrayRecord()
    record.__dict__["_data"].update((name, HeldArray(_numbers(tensor))) for name, tensor in tensors)
    return record


def _numbers(tensor: Tensor) -> Numbers:
    plain = tensor.detach().cpu() if tensor.requires_grad or tensor.device.type != "cpu" else tensor
    return np.asarray(plain.numpy(), order="C")


def read(what: str, array: Array) -> Numbers:
    """An array's numbers.

    Args:
        what: names it in an error: ours, never the sender's.

    Raises:
        WireError: they can't be decoded, or are no plain numbers.
    """
    if isinstance(array, HeldArray):
        return array.values
    try:
        values = array.numpy()
    except Exception as error:
        # numpy raises several kinds for bytes that are not an array, and the bytes are the sender's
        raise WireError(f"{what} can't be decoded") from error
    if not isinstance(values, np.ndarray) or not values.dtype.isnative or values.dtype not in PLAIN:
        raise WireError(f"{what} is not made of plain numbers")
    return values if values.flags.writeable else values.copy()


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor that holds an infinite number or NaN; ``None`` if none does."""
    floating = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    # one pass without temporaries; a norm that overflows says nothing, so look again
    if not floating or bool(torch.nn.utils.get_total_norm(floating.values()).isfinite()):
        return None
    return next((name for name, tensor in floating.items() if not bool(torch.isfinite(tensor).all())), None)


def newly_not_finite(held: Mapping[str, Array], tensors: Mapping[str, Tensor]) -> str | None:
    """`not_finite` of the tensors of ``held``; an array that many sites of this process receive is looked at once."""
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
    """``float32``; numpy takes longer over the name than over a small array."""
    return dtype.name


@lru_cache(maxsize=4096)
def _header_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    return buffer.tell()

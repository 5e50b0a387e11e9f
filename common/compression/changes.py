"""What codecs have in common: they encode the change of each tensor, and check what they decode.

A payload is arrays by name. A tensor ``head.weight`` is sent under its own name, or in parts as
``head.weight#<part>``. A codec rounds not the tensor but its change, ``tensors - received``: the change is much
smaller, and so is its rounding error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.codec import Encoded, Tensors
from fedgraft.common.interfaces.roles import BEFORE_HEAD, REFERENCE
from fedgraft.common.wire.arrays import not_finite

Shape = tuple[int, ...]
SMALL = 64
"""Tensors of fewer numbers than this are sent as they are: a further array's header (about 150 bytes) would cost more
than is saved."""


Parts = dict[str, Tensor]
"""One tensor's arrays by suffix to its name (``""``, ``"#scale"``)."""
Write = Callable[[Tensor], Parts]
"""``change (float32) -> parts``."""
Read = Callable[[str, Parts, Shape], Tensor]
"""``(name, parts, shape) -> change (float32)``, the reverse of `Write` up to rounding."""


def rounded(name: str, tensor: Tensor) -> bool:
    """Whether a codec may round this tensor: float32, not small, and not a statistic. Others are sent as they are.

    The statistics are batch norm's, the moments of an alignment and those that scale features: a rounded variance could
    become negative.
    """
    statistic = name.endswith(("running_mean", "running_var")) or name.startswith((REFERENCE, *BEFORE_HEAD))
    return tensor.dtype == torch.float32 and tensor.numel() >= SMALL and not statistic


def encode_changes(tensors: Tensors, received: Tensors, residual: Tensors, write: Write, read: Read) -> Encoded:
    """Encode ``change + residual`` of every tensor that may be rounded; the error is the next residual (error feedback:
    Seide et al., Interspeech 2014; Karimireddy et al., ICML 2019, algorithm 1).

    Args:
        residual: the last update's errors by tensor; empty without error feedback.

    Raises:
        WireError: a number is not finite, or a residual has another shape than its tensor.
    """
    payload: dict[str, Tensor] = {}
    carried: dict[str, Tensor] = {}
    for name in sorted(tensors):
        tensor = tensors[name]
        if not rounded(name, tensor):
            payload[name] = finite(name, tensor)
            continue
        change = finite(name, tensor - received[name])
        if name in residual:
            change = change + checked(name, residual[name], tuple(tensor.shape), torch.float32)
        parts = write(change)
        carried[name] = change - read(name, parts, tuple(tensor.shape))
        payload |= {name + suffix: part for suffix, part in parts.items()}
    return Encoded(payload, carried)


def decode_changes(payload: Tensors, received: Tensors, suffixes: Collection[str], read: Read) -> dict[str, Tensor]:
    """Decode a payload of `encode_changes`: ``received`` plus the change.

    Args:
        suffixes: of the arrays of each tensor that may be rounded.

    Raises:
        WireError: as `Codec.decode`.
    """
    suffixes_of = {name: suffixes if rounded(name, old) else ("",) for name, old in received.items()}
    check_names(payload, {name + suffix for name, ends in suffixes_of.items() for suffix in ends})
    tensors: dict[str, Tensor] = {}
    for name, old in received.items():
        if rounded(name, old):
            parts = {suffix: payload[name + suffix] for suffix in suffixes}
            tensors[name] = finite(name, old + read(name, parts, tuple(old.shape)))
        else:
            tensors[name] = checked(name, payload[name], tuple(old.shape), old.dtype)
    return tensors


def check_names(payload: Collection[str], expected: Collection[str]) -> None:
    """Check the names of a payload's arrays.

    Raises:
        WireError: an array is missing, or there is one too many.
    """
    missing, extra = set(expected) - set(payload), set(payload) - set(expected)
    if missing or extra:
        raise WireError(f"tensor names differ: {len(missing)} missing, {len(extra)} not in the plan")


def checked(name: str, array: Tensor, shape: Shape, *dtypes: torch.dtype) -> Tensor:
    """Return ``array`` after checking that it has the shape, one of the dtypes, and only finite numbers.

    Raises:
        WireError: it does not.
    """
    if tuple(array.shape) != shape:
        raise WireError(f"tensor {name} has shape {tuple(array.shape)}, the plan says {shape}")
    if array.dtype not in dtypes:
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise WireError(f"tensor {name} has dtype {str(array.dtype).removeprefix('torch.')}, the plan says {wanted}")
    return finite(name, array)


def finite(name: str, array: Tensor) -> Tensor:
    """Return ``array`` after checking that all its numbers are finite.

    Raises:
        WireError: one is not.
    """
    if not_finite({name: array}) is not None:
        raise WireError(f"tensor {name} holds a number that is not finite")
    return array

"""What a strategy has learnt so far (moments, clipping norms, ...), as tensors and JSON.

Flower's strategies keep it in their attributes and offer no way to read it. Every attribute that holds numbers, text,
arrays, or containers of them is kept; functions and the like stay as the plan builds them. Nothing is pickled.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import Strategy
from torch import Tensor

from fedgraft.common.errors import CheckpointError

_AS_BUILT = (FunctionType, MethodType, BuiltinFunctionType, type)
_RANDOM = "random"


@dataclass(frozen=True)
class Kept:
    """A strategy's state: ``plain`` is JSON, which names the tensors in it."""

    plain: Any = None
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


def keep(strategy: Strategy) -> Kept:
    """The present state, and that of numpy's and Python's global random numbers, from which strategies draw noise.

    Raises:
        CheckpointError: an attribute holds something that can't be kept; names it.
    """
    tensors: dict[str, Tensor] = {}
    attributes = _attributes(strategy, "", tensors)
    return Kept({"attributes": attributes, _RANDOM: _random_state(tensors)}, tensors)


def restore(strategy: Strategy, kept: Kept) -> None:
    """Give a strategy, built from the same plan, the state that was kept."""
    if kept.plain is None:
        return
    _set_attributes(strategy, kept.plain["attributes"], kept.tensors)
    name, position, has_gauss, cached = kept.plain[_RANDOM]["numpy"]
    np.random.set_state((name, kept.tensors[f"{_RANDOM}/numpy"].numpy(), position, has_gauss, cached))
    version, inner, gauss = kept.plain[_RANDOM]["python"]
    random.setstate((version, tuple(inner), gauss))


def _random_state(tensors: dict[str, Tensor]) -> dict[str, Any]:
    name, keys, position, has_gauss, cached = np.random.get_state()
    tensors[f"{_RANDOM}/numpy"] = torch.from_numpy(np.array(keys))
    version, inner, gauss = random.getstate()
    numpy_state = [str(name), int(position), int(has_gauss), float(cached)]
    return {"numpy": numpy_state, "python": [version, list(inner), gauss]}


def _attributes(held: object, path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {name: _packed(value, f"{path}/{name}", tensors) for name, value in vars(held).items()}


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """A value as JSON: plain ones as they are, others as an object with one key, which says what it is."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        tensors[path] = torch.from_numpy(np.asarray(value).reshape(1))
        return {"number": path}
    if isinstance(value, np.ndarray):
        tensors[path] = torch.from_numpy(np.array(value))
        return {"array": path}
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, ArrayRecord):
        return {"record": [[name, _packed(array.numpy(), f"{path}/{name}", tensors)] for name, array in value.items()]}
    if isinstance(value, list | tuple):
        parts = [_packed(one, f"{path}/{place}", tensors) for place, one in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": parts}
    if isinstance(value, dict):
        pairs = enumerate(value.items())
        return {"dict": [[_packed(k, "", {}), _packed(v, f"{path}/{place}", tensors)] for place, (k, v) in pairs]}
    if isinstance(value, Strategy):
        return {"strategy": _attributes(value, path, tensors)}
    if isinstance(value, _AS_BUILT):
        return {"as built": True}
    raise CheckpointError(
        f"the strategy keeps a {type(value).__name__} in {path.strip('/')}, which can't be written to a checkpoint"
    )


def _set_attributes(held: object, attributes: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    for name, packed in attributes.items():
        kind = next(iter(packed)) if isinstance(packed, dict) else ""
        if kind == "strategy":
            _set_attributes(getattr(held, name), packed[kind], tensors)
        elif kind != "as built":
            setattr(held, name, _unpacked(packed, tensors))


def _unpacked(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(packed, dict):
        return packed
    ((kind, held),) = packed.items()
    if kind == "number":
        return tensors[held].numpy()[0]
    if kind == "array":
        return tensors[held].numpy().copy()
    if kind == "tensor":
        return tensors[held]
    if kind == "record":
        return ArrayRecord({name: Array(_unpacked(array, tensors)) for name, array in held})
    if kind == "dict":
        return {_unpacked(key, tensors): _unpacked(value, tensors) for key, value in held}
    parts = [_unpacked(one, tensors) for one in held]
    return parts if kind == "list" else tuple(parts)

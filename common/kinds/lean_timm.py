"""timm without what it only has for others: half of a start.

``import timm`` imports all of torchvision for data sets, for two functions and for one class of layers, a hub's client
for two functions, and the whole of torch's compiler for a mark on functions: together more than a second. While timm is
imported, small modules stand in their place; what timm took from them imports the real one when it is used. Afterwards
they are gone, and whoever imports them gets the real ones.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_LAYERS, _LAYER = "torchvision.ops.misc", "FrozenBatchNorm2d"
_TRACING = "torchvision.models.feature_extraction"
_DATA, _CONSTANTS = "timm.data", "timm.data.constants"
_COMPILER = "torch._dynamo"
_HUB, _CALLS_OF_HUB = "huggingface_hub", ("HfApi", "model_info")


def import_timm() -> Any:
    """The module ``timm``."""
    if "timm" not in sys.modules:
        try:
            with _standing_in(_torchvision() | _data() | _compiler()), _lazy_hub():
                import timm
            vars(timm)["__getattr__"] = _data_of_timm
        except (ImportError, AttributeError):  # another timm wants more of it
            for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
                del sys.modules[name]
    import timm

    return timm


def _torchvision() -> dict[str, ModuleType]:
    """Modules that stand for torchvision's; none if that is there already."""
    if "torchvision" in sys.modules:
        return {}
    stand_ins = {
        name: ModuleType(name) for name in ("torchvision", "torchvision.ops", _LAYERS, "torchvision.models", _TRACING)
    }
    for name, module in stand_ins.items():
        if name not in (_LAYERS, _TRACING):
            module.__path__ = []
    for function in ("create_feature_extractor", "get_graph_node_names"):
        setattr(stand_ins[_TRACING], function, _later(_TRACING, function))
    setattr(stand_ins[_LAYERS], _LAYER, _Frozen("FrozenBatchNorm2d", (), {}))
    return stand_ins


def _data() -> dict[str, ModuleType]:
    """In place of ``timm.data``, of which networks only have the constants; its file imports nothing."""
    where = importlib.machinery.PathFinder.find_spec("timm")
    places = [] if where is None else where.submodule_search_locations or []
    spec = importlib.machinery.PathFinder.find_spec(_CONSTANTS, [f"{place}/data" for place in places])
    if spec is None or spec.loader is None:
        return {}
    constants = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(constants)
    data = ModuleType(_DATA)
    vars(data).update({name: value for name, value in vars(constants).items() if name.isupper()})
    return {_DATA: data}


def _data_of_timm(name: str) -> ModuleType:
    """``timm.data`` for who only imported ``timm`` (PEP 562)."""
    if name == "data":
        return importlib.import_module(_DATA)
    raise AttributeError(f"module 'timm' has no attribute {name!r}")


def _compiler() -> dict[str, ModuleType]:
    """In place of torch's compiler, unless it is there already."""
    if _COMPILER in sys.modules:
        return {}
    compiler = ModuleType(_COMPILER)
    compiler.__path__ = []
    vars(compiler)["disable"] = _disable
    return {_COMPILER: compiler}


def _disable(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """``torch._dynamo.disable`` where nothing is compiled."""
    return function if function is not None else lambda one: one


class _Frozen(type):
    """A class in place of torchvision's: its instances are instances of the real one."""

    def __instancecheck__(cls, instance: object) -> bool:
        layers = sys.modules.get(_LAYERS)
        return layers is not None and isinstance(instance, getattr(layers, _LAYER))

    def __call__(cls, *arguments: Any, **options: Any) -> Any:
        return _later(_LAYERS, _LAYER)(*arguments, **options)


@contextmanager
def _standing_in(stand_ins: Mapping[str, ModuleType]) -> Iterator[None]:
    sys.modules |= stand_ins
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


@contextmanager
def _lazy_hub() -> Iterator[None]:
    """The hub's client finds its names by itself when they are asked for; two of them, asked for, cost the most."""
    hub = sys.modules.get(_HUB)
    try:
        hub = hub or importlib.import_module(_HUB)
    except ImportError:  # timm then says what is missing, where it needs it
        yield
        return
    absent = [name for name in _CALLS_OF_HUB if name not in vars(hub)]
    for name in absent:
        setattr(hub, name, _later(_HUB, name))
    try:
        yield
    finally:
        for name in absent:
            delattr(hub, name)


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function that imports what it stands for, and calls it."""

    def called(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    return called

"""timm without torch's compiler: half of a start.

``import timm`` imports torchvision, one of whose operations (``roi_align``, which no backbone has) asks
``torch._dynamo`` for one function; that imports the whole compiler, which takes more than a second. While timm is
imported, two small modules stand in its place; afterwards they are gone, and whoever compiles imports the real one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER, _UTILS = "torch._dynamo", "torch._dynamo.utils"


def import_timm() -> Any:
    """The module ``timm``."""
    if "timm" not in sys.modules:
        try:
            with _without_compiler():
                import timm
        except (ImportError, AttributeError):  # another torch or torchvision wants more of it
            pass
    import timm

    return timm


@contextmanager
def _without_compiler() -> Iterator[None]:
    if _COMPILER in sys.modules or "torchvision" in sys.modules:
        yield
        return
    compiler, utils = ModuleType(_COMPILER), ModuleType(_UTILS)
    compiler.__path__ = []
    compiler.disable = _disable  # type: ignore[attr-defined]
    utils.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    sys.modules |= {_COMPILER: compiler, _UTILS: utils}
    try:
        yield
    finally:
        for name, stand_in in ((_COMPILER, compiler), (_UTILS, utils)):
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


def _is_compile_supported(device: str) -> bool:
    """What torchvision's ``roi_align`` calls, when it is called."""
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device))


def _disable(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """``torch._dynamo.disable`` where nothing is compiled."""
    return function if function is not None else lambda one: one

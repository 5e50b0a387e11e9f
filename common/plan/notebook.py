"""Parts that are classes of a notebook's cell, for simulations in the notebook's own process.

A plan names them ``__notebook__.SECTION.NAME``. No other process has them, so such a plan can't be deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PACKAGE = "__notebook__"
TO_DO = "write it into a module of a package that the plan and the sites allow (docs/extending.md), and name that"
_lent: dict[str, Callable[..., Any]] = {}


def target_of(section: str, part: Callable[..., Any]) -> str:
    """The target by which a plan names a part that is `lent` to it."""
    return f"{PACKAGE}.{section}.{getattr(part, '__name__', type(part).__name__)}"


def is_of_a_notebook(target: str) -> bool:
    """Whether a target names such a part, of this process or another."""
    return target.startswith(f"{PACKAGE}.")


def find(target: str) -> Callable[..., Any] | None:
    """The part that is `lent` under this target at the moment; ``None`` if there is none."""
    return _lent.get(target)


@contextmanager
def lent(parts: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Within the block, plans in this process can name ``parts``, given by target."""
    before = dict(_lent)
    _lent.update(parts)
    try:
        yield
    finally:
        _lent.clear()
        _lent.update(before)


def targets_of_notebooks(sections: Mapping[str, object]) -> list[str]:
    """Each such part in the sections of a plan, as ``loss._target_=__notebook__.loss.Mine``."""
    named = ((name, getattr(section, "target", None)) for name, section in sections.items())
    return [
        f"{name}._target_={target}" for name, target in named if isinstance(target, str) and is_of_a_notebook(target)
    ]

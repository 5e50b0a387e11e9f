"""Parts that one process alone has: classes that a notebook's cell defines, for simulations there.

A plan names them ``__notebook__.SECTION.NAME``. Another process finds nothing under that name, so such a plan can't be
deployed; its code would be a cell that nobody kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PACKAGE = "__notebook__"
TO_DO = "write it into a module of a package that the plan and the sites allow (docs/extending.md), and name that"
_lent: dict[str, Callable[..., Any]] = {}


def target_of(section: str, part: Callable[..., Any]) -> str:
    """What a plan calls a part that is to be `lent` to it."""
    return f"{PACKAGE}.{section}.{getattr(part, '__name__', type(part).__name__)}"


def is_of_a_notebook(target: str) -> bool:
    """Whether a target is such a part, here or elsewhere."""
    return target.startswith(f"{PACKAGE}.")


def find(target: str) -> Callable[..., Any] | None:
    """The part, if it is `lent` at the moment."""
    return _lent.get(target)


@contextmanager
def lent(parts: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """While it lasts, plans in this process can name ``parts``, given by target."""
    before = dict(_lent)
    _lent.update(parts)
    try:
        yield
    finally:
        _lent.clear()
        _lent.update(before)


def targets_of_notebooks(sections: Mapping[str, object]) -> list[str]:
    """``loss._target_=__notebook__.loss.Mine`` for each such part among the sections of a plan."""
    named = ((name, getattr(section, "target", None)) for name, section in sections.items())
    return [
        f"{name}._target_={target}" for name, target in named if isinstance(target, str) and is_of_a_notebook(target)
    ]

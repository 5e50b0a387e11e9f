"""One thing that can be wrong with a plan whose options are each valid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Check(NamedTuple):
    """``wrong`` is asked only if all of ``sections`` could be read."""

    sections: tuple[str, ...]
    wrong: Callable[[Any], bool]
    text: str

"""Frames of pandas, which need not be installed: cases are read from them, and lines of figures become one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fedgraft.common.errors import DataError

_EXACT = 2.0**53


def as_frame(lines: list[dict[str, Any]]) -> Any:
    """A ``pandas.DataFrame`` with one row per line; without pandas the list itself."""
    try:
        import pandas as pd
    except ImportError:
        return lines
    return pd.DataFrame(lines)


def columns_of(frame: Any) -> dict[str, list[Any]]:
    """The values of each column of a frame, or of a mapping from column to values.

    Raises:
        DataError: it is neither, two columns have the same name as text, or columns differ in length.
    """
    names = list(frame) if isinstance(frame, Mapping) else list(getattr(frame, "columns", ()))
    if not names:
        raise DataError("give a data frame with columns, or a mapping from column to values")
    texts = [str(name) for name in names]
    twice = sorted({text for text in texts if texts.count(text) > 1})
    if twice:
        raise DataError(f"the frame has the column(s) {', '.join(twice)} twice; rename one (1 and '1' are one name)")
    found = {str(name): list(frame[name]) for name in names}
    lengths = {len(values) for values in found.values()}
    if lengths == {0}:
        raise DataError("the frame has no rows")
    if len(lengths) > 1:
        raise DataError("the columns differ in length: " + ", ".join(f"{a} {len(b)}" for a, b in found.items()))
    return found


def text_of(value: Any) -> str:
    """A value as text for a CSV cell, the same as for a Parquet file.

    A missing value is ``""``, true and false are ``"1"`` and ``"0"``. A whole number has no decimal point, although
    pandas stores a column of whole numbers as floats if a value is missing.
    """
    plain = value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value
    if plain is None or _is_missing(plain):
        return ""
    if isinstance(plain, bool):
        return "1" if plain else "0"
    if isinstance(plain, float) and math.isfinite(plain) and plain.is_integer() and abs(plain) < _EXACT:
        return str(int(plain))
    return str(plain).strip()


def _is_missing(value: object) -> bool:
    """Whether a value is NaN, NaT or pandas' NA: not equal to itself, or without an answer to that."""
    try:
        return bool(value != value)
    except TypeError:
        return True

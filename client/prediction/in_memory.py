"""Cases that are given from Python: files, arrays, PIL images, or rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fedgraft.client.cohort.case import Case
from fedgraft.client.prediction.frames import columns_of, text_of
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.input_kind import InputFacts

_PLAIN = ("L", "RGB", "I;16")  # PIL's modes that convert directly to an array
_FILE, _ROW = "a file or an array", "a mapping from column to value"
_GREY = {"1": "L", "LA": "L"}


def listed(cases: Any, folder: Path, facts: InputFacts, verb: str) -> list[Case]:
    """One `Case` per input, whose ``group`` is its position, from 0; images in memory are written into ``folder``, so
    that they are read like files.

    Args:
        verb: what was called, for messages.

    Raises:
        DataError: there is no case, or one is not of the model's kind.
    """
    if hasattr(cases, "columns"):
        named = columns_of(cases)
        cases = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
    if isinstance(cases, str | bytes | Mapping) or not isinstance(cases, Sequence | np.ndarray):
        raise DataError(f"{verb} takes a sequence of cases; of a single one make a list: [case]")
    if not len(cases):
        raise DataError(f"{verb}: there is no case")
    _require_of_kind(cases, facts)
    arrays: dict[str, Any] = {}
    found = [_case(place, case, folder / "images.npz", arrays) for place, case in enumerate(cases)]
    if arrays:
        np.savez(folder / "images.npz", **arrays)
    return found


def _require_of_kind(cases: Sequence[Any] | np.ndarray[Any, Any], facts: InputFacts) -> None:
    wrong = next((place for place, case in enumerate(cases) if isinstance(case, Mapping) != facts.rows), None)
    if wrong is not None and not (facts.files and isinstance(cases[wrong], str | Path | Mapping)):
        given, wanted = (_FILE, _ROW) if facts.rows else (_ROW, _FILE)
        raise DataError(f"case {wrong} is {given}; this model takes {facts.a} for each case, as {wanted}")


def _case(place: int, case: Any, file: Path, arrays: dict[str, Any]) -> Case:
    if isinstance(case, str | Path):
        return Case(str(Path(case).expanduser().absolute()), "", "", group=str(place))
    if isinstance(case, Mapping):
        cells = tuple((str(name), text_of(value)) for name, value in case.items())
        return Case(str(file), "", "", row=place, group=str(place), columns=cells)
    mode = getattr(case, "mode", "L")  # PIL images have a mode
    plain = case if mode in _PLAIN else case.convert(_GREY.get(mode, "RGB"))
    arrays[f"image{place}"] = np.asarray(plain)[None]
    return Case(f"{file}::image{place}", "", "", row=0, group=str(place))

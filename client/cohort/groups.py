"""Number the patients and scanners of cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError

UNKNOWN = -1


def patients_of(cases: Sequence[Case]) -> Tensor:
    """``(N,)`` int64: equal numbers for the cases of one patient."""
    return _numbered(case.patient for case in cases)


def scanners_of(cases: Sequence[Case], column: str) -> Tensor:
    """``(N,)`` int64: equal numbers for equal cells of a column of the manifest; `UNKNOWN` where it is empty.

    Raises:
        DataError: the manifest does not have the column.
    """
    cells = [case.column(column) for case in cases]
    if None in cells:
        raise DataError(f"the manifest lacks the column {column}, which alignment.column names")
    names = [(cell or "").strip() for cell in cells]
    return torch.where(torch.tensor([name != "" for name in names], dtype=torch.bool), _numbered(names), UNKNOWN)


def _numbered(names: Iterable[str]) -> Tensor:
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.int64)

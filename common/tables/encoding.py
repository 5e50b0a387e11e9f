"""Encode a table's cells as numbers by the plan's ``table`` section, in the same way at every site.

A cell is text. White space around it is dropped; it is missing if nothing is left, or if it is in ``table.missing``.

A number is written as in a program: digits, at most one point, an exponent (``-1.5``, ``.5``, ``1e-3``), in magnitude
at most `LARGEST`. Anything else is refused, never guessed: ``1,5`` (a decimal comma, or thousands?), ``nan``, ``inf``,
``1e400``, ``<0.1``, ``1_000``. If ``nan`` stands for a missing value, add it to ``table.missing``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.inputs import TableSpec
from fedgraft.common.plan.data_sections import LARGEST, TableSection

Numbers = NDArray[np.float64]


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class CellError(ValueError):
    """A cell of a numeric column is neither missing nor a number. The message names the column, never the content."""

    def __init__(self, column: str) -> None:
        super().__init__(f"a cell of the numeric column {column} is neither missing nor a number")


@dataclass(frozen=True)
class Row:
    """One row's cells, read but not yet encoded.

    ``numbers``: the numeric columns, ``(columns,)`` float64 in the table's own units, NaN where missing. ``texts``: the
    categorical columns, "" where missing.
    """

    numbers: Numbers
    texts: tuple[str, ...]


def table_spec(table: TableSection) -> TableSpec:
    """The spec of a table's encoded rows.

    Raises:
        PlanError: the vocabulary is not known yet.
    """
    require_statistics(table)
    width = len(table.numeric) * (2 if table.indicate_missing else 1)
    return TableSpec(width, tuple(1 + len(table.vocabulary[name]) for name in table.categorical))


def require_statistics(table: TableSection) -> None:
    """Check that the section holds its means, deviations and vocabulary.

    Raises:
        PlanError: they are to come from the sites (``table.statistics=federated``), which have not been asked yet.
    """
    if table.statistics != "plan":
        raise PlanError(
            "table.statistics=federated: means, deviations and vocabulary are not known before the sites were asked; "
            "a run asks them first, and writes the plan with these numbers into its folder"
        )


def read_row(table: TableSection, cells: Mapping[str, str]) -> Row:
    """Read the cells of the plan's columns.

    Args:
        cells: text by column; must hold at least the plan's columns.

    Raises:
        CellError: a numeric column's cell is neither missing nor a number.
    """
    missing = frozenset(table.missing)
    numbers = [_number(name, _present(cells[name], missing)) for name in table.numeric]
    return Row(np.array(numbers, np.float64), tuple(_present(cells[name], missing) for name in table.categorical))


def _present(cell: str, missing: frozenset[str]) -> str:
    """The cell without white space around it; "" if it is missing."""
    text = cell.strip()
    return "" if text in missing else text


def _number(column: str, text: str) -> float:
    if not text:
        return float("nan")
    value = float(text) if _NUMBER.fullmatch(text) else float("inf")
    if abs(value) > LARGEST:
        raise CellError(column)
    return value


class Encoder:
    """Encodes rows as a tabular backbone's inputs, by scikit-learn's transformers set to the plan's statistics.

    Numeric columns: `StandardScaler`, then 0 (the mean) where missing; with ``indicate_missing`` also
    `MissingIndicator`. Categorical columns: `OrdinalEncoder`; the entries of the vocabulary are 1, 2, ..., and 0 means
    missing or not in the vocabulary.

    Raises:
        PlanError: the plan has no statistics yet.
    """

    def __init__(self, table: TableSection) -> None:
        from sklearn.impute import MissingIndicator, SimpleImputer  # a second to import, for tables only
        from sklearn.preprocessing import OrdinalEncoder, StandardScaler

        self.spec = table_spec(table)
        self._indicate = table.indicate_missing
        columns = len(table.numeric)
        self._scaler = StandardScaler()
        self._scaler.n_features_in_ = columns
        self._scaler.mean_ = np.array([table.means[name] for name in table.numeric], np.float64)
        self._scaler.scale_ = np.array([table.deviations[name] for name in table.numeric], np.float64)
        blank = np.zeros((1, columns))
        if columns:
            self._imputer = SimpleImputer(strategy="constant", fill_value=0.0).fit(blank)
            self._indicator = MissingIndicator(features="all").fit(blank)
        words = [np.array(table.vocabulary[name], object) for name in table.categorical]
        self._codes = OrdinalEncoder(categories=words, handle_unknown="use_encoded_value", unknown_value=-1)
        if words:
            self._codes.fit(np.array([[some[0] for some in words]], object))

    def __call__(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Encode N rows: ``(N, F)`` float32, finite; numbers, then indicators (1 = missing), then codes."""
        parts: list[NDArray[np.floating]] = [np.zeros((len(rows), 0))]
        if rows and len(rows[0].numbers):
            numbers = np.stack([row.numbers for row in rows])
            parts.append(self._imputer.transform(self._scaler.transform(numbers)))
            if self._indicate:
                parts.append(self._indicator.transform(numbers).astype(np.float64))
        if rows and rows[0].texts:
            parts.append(self._codes.transform(np.array([row.texts for row in rows], object)) + 1)
        return np.concatenate(parts, axis=1).astype(np.float32)

"""Rows of a table as inputs of a tabular backbone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import Account, CaseView
from fedgraft.client.cohort.manifest.csv_file import read_rows
from fedgraft.client.cohort.manifest.lines import KNOWN
from fedgraft.client.cohort.quarantine import USABLE, CaseError, number_of
from fedgraft.client.cohort.shown import StandIn
from fedgraft.client.site.release import of_enough_patients, release_statistics
from fedgraft.client.site.site_file import ReleasePolicy
from fedgraft.client.tables.apart import remark
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.stand_ins import stand_ins_of
from fedgraft.common.errors import DataError, WrongKindError
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import CellError, Encoder, Row, read_row
from fedgraft.common.tables.far import FAR_VALUE, IS_FAR, beyond
from fedgraft.common.tables.statistics import TableStatistics, count_patients, describe


class TableInputs:
    """Rows of a table as inputs; see `fedgraft.client.cohort.inputs.Inputs`.

    A cell is looked up among the manifest's own columns first, then in the row of the file that the case names.

    Args:
        table: the plan's section. Rows can be read before its statistics are known, but not encoded.
        files: reads the files; shared, so that sites on one machine read a file once.
    """

    OUTLYING = FAR_VALUE

    def __init__(self, table: TableSection, files: TableFiles) -> None:
        self._table, self._files = table, files
        self._names = (*table.numeric, *table.categorical)

    @property
    def fingerprint(self) -> str:
        """Changes with every option of the section that encoded numbers depend on."""
        shaping = {
            name: value for name, value in asdict(self._table).items() if name not in ("statistics", "min_count")
        }
        return hashlib.sha256(f"table-1|{json.dumps(shaping, sort_keys=True)}".encode()).hexdigest()

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        """Digests (32 bytes each) of the cells of the plan's columns; rows with equal cells have equal keys.

        Raises:
            CaseError: a case can't be used.
        """
        _require_first_view(wanted)
        cells = (self._cells(one.case) for one in wanted)
        return [hashlib.sha256(json.dumps(some).encode()).digest() for some in cells]

    def reasons(self, cases: Sequence[Case]) -> list[str | None]:
        """The reason why each case can't be used; ``None`` if it can.

        Raises:
            DataError: the table lacks columns that the plan names.
        """
        return [self._reason(case) for case in cases]

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases themselves, since each is one row.

        Raises:
            WrongKindError: they are no rows: cells are to come from their files, and none of these is a table.
        """
        needing = [case for case in cases if not {name for name, _ in case.columns}.issuperset(self._names)]
        own = {name for name, _ in needing[0].columns} if needing else set()
        if needing and needing[0].row is not None and not needing[0].in_a_table and own.intersection(self._names):
            raise _lacking([name for name in self._names if name not in own], own)
        if needing and not any(case.in_a_table for case in needing) and not _is_its_manifest(needing[0]):
            raise WrongKindError(
                f"{len(needing)} case(s) are no rows of a table, and the plan is for a table: put its columns into the "
                "manifest, or choose a plan for images"
            )
        return tuple(cases)

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        reasons = self.reasons(cases)
        return np.array([USABLE if reason is None else number_of(reason) for reason in reasons], np.uint8)

    def digests(self, cases: Sequence[Case]) -> None:
        """``None``: equal rows are no duplicates, since two patients can have the same few values."""

    def rows(self, cases: Sequence[Case]) -> list[Row]:
        """The cells of usable cases as numbers and texts.

        Raises:
            CaseError: a case can't be used.
        """
        return [self._row(case) for case in cases]

    @property
    def compared(self) -> str:
        return "those with the column at its mean (a category: the mean over its vocabulary)"

    def stand_ins(self, case: Case, row: Tensor) -> list[StandIn]:
        """As `fedgraft.client.cohort.shown.InColumns`."""
        return stand_ins_of(self._table, self._row(case), row)

    def remarks(self, cases: Sequence[Case]) -> Sequence[str]:
        """As `fedgraft.client.cohort.inputs.Remarks`: on numbers that stand apart from all others here."""
        usable = [row for row in map(self._row_or_none, cases) if row is not None]
        found = remark(self._table, np.stack([row.numbers for row in usable])) if usable else None
        return () if found is None else (found,)

    def outlying(self, cases: Sequence[Case]) -> list[tuple[str, ...]]:
        """As `fedgraft.client.cohort.inputs.Outlying`: which columns of a case are far from the hospitals' means."""
        if self._table.statistics != "plan" or not cases:
            return [()] * len(cases)
        far = beyond(self._table, np.stack([row.numbers for row in self.rows(cases)]))
        names = self._table.numeric
        return [tuple(f"{names[at]} {IS_FAR}" for at in np.flatnonzero(one).tolist()) for one in far]

    def tell(self, train: Sequence[Case], permission: ReleasePolicy, account: Account) -> TableStatistics:
        """Sums over the columns of the training rows, of which the site has not told of nearly the same cases."""
        rows, table = self.rows(train), self._table
        patients = count_patients(rows, [case.patient for case in train], table)
        enough = of_enough_patients(describe(rows, table), patients, table, permission)
        told = release_statistics(enough, table, permission)

        def may(name: str, known: Callable[[Row], bool]) -> bool:
            having = [case for case, row in zip(train, rows, strict=True) if known(row)]
            return account.may(f"column.{name}", "statistics", having)

        return told.only(
            [bool(one.count) and may(table.numeric[at], _has_number(at)) for at, one in enumerate(told.numeric)],
            [bool(one) and may(table.categorical[at], _has_text(at)) for at, one in enumerate(told.categories)],
        )

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        """Encoded inputs in batches: ``(slice of wanted, (B, F) float32)``.

        Raises:
            PlanError: the plan's statistics are not known yet.
            CaseError: a case can't be used.
        """
        _require_first_view(wanted)
        for start in range(0, len(wanted), batch):
            part = slice(start, min(start + batch, len(wanted)))
            yield part, torch.from_numpy(self._encoder(self.rows([one.case for one in wanted[part]])))

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._table)

    def _reason(self, case: Case) -> str | None:
        try:
            self._row(case)
        except CaseError as error:
            return error.reason
        return None

    def _row_or_none(self, case: Case) -> Row | None:
        try:
            return self._row(case)
        except CaseError:
            return None

    def _row(self, case: Case) -> Row:
        try:
            return read_row(self._table, dict(zip(self._names, self._cells(case), strict=True)))
        except CellError as error:
            raise CaseError("bad-value", str(error)) from None

    def _cells(self, case: Case) -> list[str]:
        """The cells of cases, in the order of the plan's columns."""
        own = dict(case.columns)
        elsewhere = tuple(name for name in self._names if name not in own)
        held = {**self._from_file(case, elsewhere), **own} if elsewhere else own
        lacking = [name for name in self._names if name not in held]
        if lacking:
            raise _lacking(lacking, held)
        return [held[name] for name in self._names]

    def _from_file(self, case: Case, names: tuple[str, ...]) -> dict[str, str]:
        try:
            columns = self._files.read(Path(case.path), names)
        except CaseError:
            if _is_its_manifest(case):  # which has been read: the names are lacking, whatever its suffix and size
                return {}
            raise
        if case.row is None or not 0 <= case.row < len(columns.rows):
            raise CaseError("no-row")
        row = columns.rows[case.row]
        if row is None:
            raise CaseError("inconsistent", "a row of the table has more or fewer cells than its header")
        return dict(zip(columns.names, row, strict=True))


def _has_number(place: int) -> Callable[[Row], bool]:
    return lambda row: not np.isnan(row.numbers[place])


def _has_text(place: int) -> Callable[[Row], bool]:
    return lambda row: row.texts[place] != ""


def _is_its_manifest(case: Case) -> bool:
    """Whether a case's file is the manifest that lists it: its columns besides the known ones are the case's."""
    try:
        header = next(iter(read_rows(Path(case.path))))
    except (DataError, ValueError):
        return False
    return "patient" in header and [name for name in header if name not in KNOWN] == [name for name, _ in case.columns]


def _require_first_view(wanted: Sequence[CaseView]) -> None:
    if any(one.view for one in wanted):
        raise DataError("a row of a table has no other view than itself; set augment.views=1")


def _lacking(columns: Sequence[str], there: Iterable[str]) -> DataError:
    folded = {name.casefold().strip(): name for name in there}
    near = {name: found[0] for name in columns if (found := get_close_matches(name.casefold(), [*folded], 1, 0.75))}
    meant = "".join(f" (is `{folded[one]}` meant by `{name}`?)" for name, one in near.items())
    return DataError(
        f"neither the manifest nor the table that it names has the column(s) {', '.join(columns)}{meant}; rename them "
        "as in the plan's `table`"
    )

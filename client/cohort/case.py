"""One case of a cohort, as a manifest's line describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CSV, PARQUET = (".csv",), (".parquet", ".pq")


SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled case.

    Attributes:
        path: absolute (with ``::array`` for npz).
        label: ``""`` if the manifest has none (multilabel, survival).
        row: ``None`` for a file that holds one case.
        group, split: ``None`` if the cell is empty.
        columns: name and cell of the manifest's other columns: subgroups, findings, times, or a table's values.
    """

    path: str
    label: str
    patient: str
    row: int | None = None
    group: str | None = None
    split: str | None = None
    columns: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.group == "" or self.split == "":
            object.__setattr__(self, "group", self.group or None)
            object.__setattr__(self, "split", self.split or None)

    def column(self, name: str) -> str | None:
        """The cell of another column; ``None`` if the manifest does not have it."""
        return next((cell for known, cell in self.columns if known == name), None)

    @property
    def in_a_table(self) -> bool:
        """Whether its file is called as tables are."""
        return Path(self.path).suffix.lower() in (*CSV, *PARQUET)

    @property
    def unit(self) -> str:
        """The name by which cases stay together in splits: the group if there is one, else the patient.

        `fedgraft.client.cohort.units` joins the groups that share a patient.
        """
        return self.group if self.group is not None else self.patient

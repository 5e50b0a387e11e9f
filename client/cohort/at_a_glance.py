"""A manifest at a glance: what kind its cases are, how many lines, which columns; no case is read or kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fedgraft.client.cohort.manifest.csv_file import read_rows
from fedgraft.client.cohort.manifest.lines import CaseLines
from fedgraft.common.errors import DataError
from fedgraft.common.wire.site_facts import Kind


@dataclass(frozen=True)
class Glance:
    """What a manifest is like.

    Attributes:
        lines: without the header.
        columns: of the manifest and, if its cases are rows of another file, of that one (the first that is named),
            sorted; ``None`` if that one can't be read.
        labels: how many lines have each label; empty without a column of them.
    """

    kind: Kind
    lines: int
    columns: tuple[str, ...] | None
    labels: Mapping[str, int] = field(default_factory=dict)


def glance(manifest: Path) -> Glance:
    """
    Raises:
        DataError: the manifest can't be read, or lists no case.
    """
    rows = read_rows(manifest)
    header = next(rows)
    made = CaseLines(manifest, header)
    cells = next(rows, None)
    if cells is None:
        raise DataError(f"manifest {manifest} lists no case")
    place = header.index("label") if "label" in header else None
    counts = Counter("" if place is None or place >= len(one) else one[place] for one in chain([cells], rows))
    first, lines, labels = made.case(2, cells), counts.total(), {name: n for name, n in counts.items() if name}
    in_a_file = "path" in header
    kind: Kind = "files" if in_a_file and not first.in_a_table else "rows"
    if kind == "files" or not in_a_file:
        return Glance(kind, lines, tuple(sorted(header)), labels)
    others = _columns_of(Path(first.path))
    return Glance(kind, lines, None if others is None else tuple(sorted({*header, *others})), labels)


def _columns_of(table: Path) -> tuple[str, ...] | None:
    try:
        return tuple(next(read_rows(table)))
    except DataError:
        return None

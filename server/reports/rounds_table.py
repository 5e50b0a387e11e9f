"""``rounds.csv`` and ``rounds_sites.csv``: the figures of ``rounds.jsonl`` as tables for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.files import replacing

POOLED, BY_SITE = "rounds.csv", "rounds_sites.csv"
SPLITS = ("val", "test")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Lines = Sequence[Mapping[str, Any]]


def write_tables(folder: Path, lines: Lines) -> tuple[Path, ...]:
    """Write both tables; a figure that is undefined is an empty cell.

    Args:
        lines: of ``rounds.jsonl``.
    """
    tables = {POOLED: list(pooled(lines)), BY_SITE: list(by_site(lines))}
    for name, rows in tables.items():
        heads = dict.fromkeys(head for row in rows for head in row)
        with replacing(folder / name) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(heads), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return tuple(folder / name for name in tables)


def pooled(lines: Lines) -> Iterator[dict[str, Any]]:
    """A row for each round: the figures of all sites' cases, as ``val_auroc`` and ``test_auroc``."""
    for line in lines:
        row = {
            "round": line["round"],
            "sites_updated": len(line["updated"]),
            "train_loss": line["train_loss"],
            "seconds": line["seconds"],
            "bytes_up": line["bytes"]["up"],
            "bytes_down": line["bytes"]["down"],
        }
        for split in SPLITS:
            row |= {f"{split}_{name}": value for name, value in _single(line[split])}
        yield row


def by_site(lines: Lines) -> Iterator[dict[str, Any]]:
    """A row for each round, site and split."""
    for line in lines:
        for site, splits in line["sites"].items():
            for split, figures in splits.items():
                yield {"round": line["round"], "site": _safe(site), "split": split, **dict(_single(figures))}


def _single(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The figures that are single numbers."""
    return ((name, value) for name, value in figures.items() if not isinstance(value, dict | list))


def _safe(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(_FORMULA) else name

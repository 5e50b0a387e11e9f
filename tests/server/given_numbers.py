"""Hospitals whose features are given numbers: tables without a network, standardised by the plan's 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def words_over(columns: Sequence[str]) -> tuple[str, ...]:
    """The words of a plan over such tables, whose cases bring their split."""
    filled = [
        f"+table.{name}={{{', '.join(f'{column}: {value}' for column in columns)}}}"
        for name, value in (("means", 0.0), ("deviations", 1.0))
    ]
    table = (
        f"+table={{numeric: [{', '.join(columns)}], categorical: [], missing: [], indicate_missing: false, "
        "statistics: plan, min_count: 1}"
    )
    base = ("data.image_size=null", "backbone=identity", "head=plain", "engine.threads=1", table, *filled)
    return (*base, "data.test=given", "data.val_fraction=0", "data.test_fraction=0", "loss.weights=none")


def write_hospital(
    folder: Path, columns: Sequence[str], rows: Iterable[str], cases: Iterable[tuple[str, str, str]], release: str = ""
) -> Path:
    """The site file of a hospital of these table rows; ``cases`` are the label, patient and split of each."""
    folder.mkdir(parents=True)
    (folder / "table.csv").write_text("\n".join([",".join(columns), *rows]) + "\n", encoding="utf-8")
    lines = [f"table.csv,{row},{','.join(case)}" for row, case in enumerate(cases)]
    (folder / "manifest.csv").write_text("\n".join(["path,row,label,patient,split", *lines]) + "\n", encoding="utf-8")
    site = f"name: {folder.name}\nmanifest: manifest.csv\nstate: state\ndevice: cpu\nthreads: 1\n{release}"
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    return folder / "site.yaml"

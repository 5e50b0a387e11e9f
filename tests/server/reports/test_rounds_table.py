"""rounds.csv and rounds_sites.csv hold the figures of rounds.jsonl."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.rounds_table import by_site, write_tables

Made = Callable[..., Path]


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_for_each_round_and_one_for_each_site_and_split(run_folder: Made) -> None:
    folder = run_folder()
    pooled, sites = write_tables(folder, read_run(folder).rounds)
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, line in zip(rows(pooled), lines, strict=True):
        assert (int(row["round"]), int(row["sites_updated"])) == (line["round"], len(line["updated"]))
        assert row["train_loss"] == ("" if line["train_loss"] is None else str(line["train_loss"]))
        assert {float(row["test_auroc"]), float(row["val_loss"])} == {line["test"]["auroc"], line["val"]["loss"]}
    found = rows(sites)
    assert len(found) == 3 * 4 * 2
    assert float(found[1]["auroc"]) == lines[0]["sites"][found[1]["site"]][found[1]["split"]]["auroc"]


def test_a_sites_name_is_no_formula() -> None:
    line = {"round": 1, "sites": {"=1+1": {"val": {"auroc": 0.5, "findings": {}}}}}
    assert list(by_site([line])) == [{"round": 1, "site": "'=1+1", "split": "val", "auroc": 0.5}]

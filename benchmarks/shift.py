"""What each part against shift is worth: at a site that trained, at another one's, and at one that never trained.

    FEDGRAFT_DATA=... FEDGRAFT_CACHE=... python benchmarks/shift.py OUT_DIR [--sets phantom-2 ...] [--only WORD ...]
        [--seeds 0 1 2] [--steps] [--table]

A row is a part that a plan can name, against the same recipe without it (`shift_rows.py`). Columns: **own**, the sites
that trained, on their test cases; **other**, each site's model alone at each other site (test cases); **held-out**,
each site left out in turn (all its cases; rows by steps: its test cases). Means over sites of the AUROC, and the
paired difference with a 95 % interval over seeds and test cases, as a study has it. Ridge, rates and weights are chosen
by the training sites' validation cases together; of rows trained by steps by those of the first seed's federation.

A cell that has ended is a line of OUT_DIR/cells.jsonl: started again, the command goes on, and ends with the table.
``--steps`` measures the rows that are trained by steps too (hours); ``--table`` measures nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from shift_fitted import Fitted, Site, estimated, fitted, sites_of, with_statistics
from shift_found import Cell, Column, Scored, column_of, keep, kept
from shift_rows import FITTED, RUNS, SETS, Row, Words
from shift_runs import ran
from shift_table import tables

from fedgraft.common.errors import FedGraftError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.api import plan as plan_of
from fedgraft.simulations.federation.sites import partition_cases

Key = tuple[str, str, str, int]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="rows whose name holds one of these")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", action="store_true", help="rows that are trained by steps too")
    parser.add_argument("--table", action="store_true", help="print what is kept, and measure nothing")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.out)
    rows = [*FITTED, *(RUNS if given.steps else ())]
    rows = [row for row in rows if not given.only or any(word in row.name for word in given.only)]
    for key, row in () if given.table else wanted(given.sets, rows, given.seeds):
        if key not in bench.cells:
            bench.measure(key, row)
    print(tables(list(bench.cells.values()), [*FITTED, *RUNS]))
    return 0


def wanted(sets: Sequence[str], rows: Sequence[Row], seeds: Sequence[int]) -> Iterator[tuple[Key, Row]]:
    """By data set and seed, so that features are read once."""
    for name in sets:
        for row_kind in (True, False):
            for seed in seeds:
                for read in SETS[name].reads if row_kind else ("trained",):
                    for row in rows:
                        if row.fitted == row_kind and suits(row, name, read):
                            yield (name, read, row.name, seed), row


def suits(row: Row, name: str, read: str) -> bool:
    return (not row.only or name in row.only) and (not row.reads or read in row.reads)


@dataclass
class Bench:
    """Measures cells, and keeps them in a file. ``features`` are of the plan that was read last."""

    out: Path
    cells: dict[Key, Cell] = field(default_factory=dict)
    features: dict[str, dict[str, Site]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = {cell.key: cell for cell in kept(self.file)}

    @property
    def file(self) -> Path:
        return self.out / "cells.jsonl"

    def measure(self, key: Key, row: Row) -> None:
        """Measure a cell; where a part does not fit, its own words are kept instead."""
        start = time.monotonic()
        blank = Cell(*key)
        try:
            cell = self.fit(blank, row) if row.fitted else self.run(blank, row)
        except FedGraftError as error:
            cell = replace(blank, note=" ".join(str(error).split()))
        cell = replace(cell, seconds=round(time.monotonic() - start, 1))
        self.cells[cell.key] = cell
        keep(self.file, cell)
        means = {
            name: round(sum(s.auroc for s in one.values()) / len(one), 4) for name, one in cell.columns.items() if one
        }
        print(*key, means or cell.note, f"{cell.seconds} s", file=sys.stderr, flush=True)

    def fit(self, blank: Cell, row: Row) -> Cell:
        words = (*SETS[blank.data].words, *SETS[blank.data].reads[blank.read], f"seed={blank.seed}", "engine.threads=1")
        plans = [plan_of(*words, *setting).plan for setting in row.settings]
        chosen, column = self.federation(plans, row)
        columns = {"own": column}
        names = list(self.sites(plans[chosen[0]], None))
        if "other" in row.columns:
            columns["other"] = self.others(plans, row, names)
        if "held" in row.columns:
            columns["held"] = {k: v for name in names for k, v in self.held_out(plans, row, name).items()}
        columns = {name: one for name, one in columns.items() if name in row.columns}
        return replace(blank, setting=chosen[0], ridge=chosen[1].ridge, val=chosen[1].val, columns=columns)

    def best(self, plans: Sequence[Plan], row: Row, held: str | None, trains: Sequence[str]) -> tuple[int, Fitted]:
        """The setting and its head, by validation cases."""
        found = [fitted(plan, self.sites(plan, held), trains, row.own_bias) for plan in plans]
        place = max(range(len(found)), key=lambda at: (found[at].val, -at))
        return place, found[place]

    def federation(self, plans: Sequence[Plan], row: Row) -> tuple[tuple[int, Fitted], Column]:
        names = list(self.sites(plans[0], None))
        chosen = self.best(plans, row, None, names)
        sites, fit = self.sites(plans[chosen[0]], None), chosen[1]
        tested: dict[str, Scored] = {}
        for name in names:
            rows, truth = sites[name].part("test")
            tested[name] = [(fit.head.scores(fit.scaler.at_trained(name, rows), name), truth)]
        return chosen, column_of(tested)

    def held_out(self, plans: Sequence[Plan], row: Row, held: str) -> Column:
        names = [name for name in self.sites(plans[0], held) if name != held]
        place, fit = self.best(plans, row, held, names)
        site = self.sites(plans[place], held)[held]
        scores = fit.head.scores(fit.scaler.at_unlabelled(held, site.rows, fit.head), held)
        if row.prevalence:
            unlabelled = fit.head.scores(fit.scaler.at_unlabelled(held, site.train[0], fit.head), held)
            shares = estimated(unlabelled)[0]
            scores = scores + float(torch.log(shares[1] / shares[0]).clamp(-6, 6))
        return column_of({held: [(scores, site.labels)]})

    def others(self, plans: Sequence[Plan], row: Row, names: Sequence[str]) -> Column:
        """Each site's model, of its own cases alone, at each other site."""
        tested: dict[str, list[tuple[object, object]]] = {name: [] for name in names}
        for name in names:
            sites = self.sites(plans[0], None)
            if min(sum(sites[name].part(part)[1] == label) for part in ("train", "val") for label in (0, 1)) == 0:
                continue
            place, fit = self.best(plans, row, None, [name])
            for other in names:
                if other != name:
                    rows, truth = self.sites(plans[place], None)[other].part("test")
                    scaled = fit.scaler.at_unlabelled(other, rows, fit.head)
                    tested[other].append((fit.head.scores(scaled, ""), truth))
        return column_of(tested)  # type: ignore[arg-type]

    def sites(self, plan: Plan, held: str | None) -> dict[str, Site]:
        """Features under a plan; a harmoniser's reference is that of the sites that train."""
        by = held if plan.harmonise.target is not None else ""
        key = repr((plan.data, plan.harmonise, plan.features.target, plan.features.options, plan.seed, by))
        if key not in self.features:
            if len(self.features) > 8:
                self.features.clear()
            self.features[key] = sites_of(with_statistics(plan, held, self.out))
        return self.features[key]

    def run(self, blank: Cell, row: Row) -> Cell:
        known = SETS[blank.data]
        first = (*known.words, *(known.by_steps if row.by_steps else ()), f"seed={blank.seed}")
        place, found = self.chosen(blank, row, first)
        words: Words = (*first, *row.settings[place])
        columns = {}
        if "own" in row.columns:
            found = found or ran(words, None, self.out)
            columns["own"] = found[1]
        if "held" in row.columns:
            every = partition_cases(plan_of(*first).plan, os.environ).sites
            names = known.held if row.by_steps and known.held else tuple(every)
            columns["held"] = {k: v for name in names for k, v in ran(words, name, self.out)[1].items()}
        return replace(blank, setting=place, val=None if found is None else found[0], columns=columns)

    def chosen(self, blank: Cell, row: Row, words: Words) -> tuple[int, tuple[float, Column] | None]:
        """The setting that the first seed's federation prefers on its validation cases, and that run if it was made."""
        earlier = [cell for cell in self.cells.values() if cell.key[:3] == blank.key[:3] and cell.val is not None]
        if earlier:
            return min(earlier, key=lambda cell: cell.seed).setting, None
        if len(row.settings) == 1:
            return 0, None
        tried = [ran((*words, *setting), None, self.out) for setting in row.settings]
        place = max(range(len(tried)), key=lambda at: tried[at][0])
        return place, tried[place]


if __name__ == "__main__":
    raise SystemExit(main())

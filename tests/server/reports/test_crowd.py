"""Reports of many hospitals: the ten weakest, quantiles, and where the whole list is."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fedgraft.common.drawing.markup import Html, words
from fedgraft.server.evidence.listed import MOST, WHOLE, some_of
from fedgraft.server.reports.card.card import card, markdown
from fedgraft.server.reports.crowd import quantiles, weakest
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.page.page import run_report
from fedgraft.simulations.engine.display import site_table

Made = Callable[..., Path]
MORE = {f"site-{number:04}": 200 for number in range(60)}


def test_the_weakest_by_hand() -> None:
    sites: dict[str, dict[str, Any]] = {f"s{k}": {"auroc": k / 100} for k in range(50)}
    assert weakest(dict(list(sites.items())[:MOST]), "auroc") == [f"s{k}" for k in range(MOST)]
    sites["s3"]["auroc"] = None
    assert weakest(sites, "auroc", {"s0"}) == [f"s{k}" for k in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11)]
    doubtful = {name for name in sites if name != "s40"}
    assert weakest(sites, "auroc", doubtful) == [f"s{k}" for k in (0, 1, 2, 4, 5, 6, 7, 8, 9, 40)]


def test_quantiles_by_hand() -> None:
    assert quantiles([0.0, None, 1.0, 2.0, 3.0, 4.0]) == pytest.approx([0.0, 0.4, 2.0, 3.6, 4.0])
    assert quantiles([None]) == [None] * 5


def test_of_many_names_the_first_ones() -> None:
    names = [f"s{k}" for k in range(1041)]
    assert some_of(names[:40]) == ", ".join(names[:40])
    assert some_of(names) == f"{', '.join(names[:10])} and 1,031 more (summary.json and rounds_sites.csv have all)"


def test_a_page_of_many_hospitals_lists_the_weakest(run_folder: Made) -> None:
    folder = run_folder(more=MORE)
    files = {file.name: file.read_text(encoding="utf-8") for file in write_documents(folder)}
    run, told = read_run(folder), words(Html(files["report.html"]))
    assert len(run.listed) == 10 and run.worst == run.listed[0]
    shown = "Listed are the 10 weakest of 64 by AUROC; summary.json and rounds_sites.csv have all."
    assert told.count(shown) >= 2
    assert "AUROC over all hospitals" in told and "nine tenths are below" in told
    grey = "Grey: the tenth from below, the middle, the tenth from above of 64 hospitals."
    assert grey in told
    assert "Of 64 hospitals those that most often gave no usable answer (1); " in told
    unlisted = set(MORE) - set(run.listed)
    assert sum(files["report.html"].count(name) for name in unlisted) < 20  # a few first ones, in sentences
    assert "The 10 weakest of 64; model-card.json has all." in files["model-card.md"]
    assert set(json.loads(files["model-card.json"])["figures"]) == set(run.sites)


def test_the_terminal_shows_the_weakest_and_quantiles(run_folder: Made) -> None:
    summary = json.loads((run_folder(more=MORE) / "summary.json").read_text(encoding="utf-8"))
    console = Console(file=(text := StringIO()), width=160)
    console.print(site_table(summary))
    lines = text.getvalue().splitlines()
    assert len(lines) < 35
    assert sum(line.strip().startswith("site-") for line in lines) <= 10
    median = next(line.split() for line in lines if line.strip().startswith("half are below"))
    aurocs = sorted(one["auroc"] for one in summary["sites"].values())
    assert f"{(aurocs[31] + aurocs[32]) / 2:.3f}" in median
    assert "the weakest of 64 sites, and quantiles over all of them; summary.json" in " ".join(text.getvalue().split())


def test_many_hospitals_of_which_none_has_a_figure(run_folder: Made) -> None:
    folder = run_folder(more=MORE)
    summary = json.loads((folder / "summary.json").read_text())
    for one in summary["sites"].values():
        one["auroc"] = None
    (folder / "summary.json").write_text(json.dumps(summary))
    run = read_run(folder)
    assert run.who_is_listed == f" None of 64 hospitals has a figure by AUROC; {WHOLE}."
    assert "None has a figure of 64; model-card.json has all." in markdown(card(run))
    assert "AUROC over all hospitals" not in words(run_report(run))

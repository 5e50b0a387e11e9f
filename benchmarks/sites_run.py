"""One run over many sites of 40 cases, in this process. `sites.py` runs it as a process of its own.

    python benchmarks/sites_run.py SITES ROUNDS FOLDER OUT.json OVERRIDE ...

Each site is a folder as a hospital's: a manifest of 40 PneumoniaMNIST cases (drawn with the site's number; the data
set has 5,232, so many sites share cases under patients of their own) and a site file. Server and sites are
FedGraft's own. OUT gets the seconds of every round, and this process's memory after each.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from time import perf_counter

import measure
import numpy as np
from plans import plan_of

from fedgraft.client.account.secret import write_seed
from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.client.site.site_file import Fractions, SiteFile, write_site_file
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.server import app
from fedgraft.server.rounds.state import Round
from fedgraft.simulations.datasets.source import Source, data_root
from fedgraft.simulations.engine.grid import run_in_process
from fedgraft.simulations.federation.sites import cache_folder

CASES = 40


def lay_out(plan: Plan, sites: int, folder: Path) -> list[Path]:
    """The sites' folders; returns their site files."""
    cache = cache_folder(os.environ)
    source: Source = parts.build(
        plan.data.target, "data", plan.data.options, root=data_root(os.environ), cache=cache, seed=plan.seed
    )
    files = []
    for number in range(sites):
        name = f"site-{number:04}"
        drawn = np.random.default_rng(number).choice(len(source.cases), CASES, replace=False)
        cases = [source.cases[int(index)] for index in drawn]
        manifest = folder / name / "manifest.csv"
        write_manifest(manifest, [Case(case.path, case.label, f"{name}-{case.patient}", case.row) for case in cases])
        own = Fractions(plan.data.val_fraction, plan.data.test_fraction)
        state, store = folder / name / "state", cache / "store"
        site = SiteFile(name, manifest, state, store=store, threads=plan.engine.threads, split=own)
        write_seed(state, plan.seed)
        write_site_file(folder / name / "site.yaml", site)
        files.append(folder / name / "site.yaml")
    return files


def main(sites: int, rounds: int, folder: Path, out: Path, overrides: list[str]) -> None:
    logging.getLogger("flwr").setLevel(logging.ERROR)
    plan = plan_of(f"partition.sites={sites}", f"rounds={rounds}", *overrides)
    files = lay_out(plan, sites, folder / "sites")
    start = perf_counter()
    stamps: list[float] = []
    memory: list[tuple[int, int]] = []

    def progress(round_: Round) -> None:
        stamps.append(perf_counter() - start)
        memory.append(measure.resident())

    config = {"plan": plan.to_json(), "out": str(folder / "run")}
    handler = client_app.MessageHandler(
        Workspace(lasting=False), files, lambda site, error: print(f"{site}: {error!r}", file=sys.stderr)
    )
    run_in_process(
        app.build(None, progress),
        client_app.build(handler),
        [{"site-file": str(file)} for file in files],
        config,
        handler.train_all,
    )
    summary = json.loads((folder / "run" / "summary.json").read_text(encoding="utf-8"))
    local = max((file.stat().st_size for file in (folder / "sites").glob("*/state/local/*")), default=0)
    dropped = [one["what"] for one in summary["dropped"]]
    unprepared = len({one["site"] for one in summary["dropped"] if one["what"] == "prepare"})
    found = {"stamps": stamps, "memory": memory, "local": local, "unprepared": unprepared}
    found |= {"dropped": len(dropped) - dropped.count("prepare")}
    out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).resolve(), Path(sys.argv[4]), sys.argv[5:])

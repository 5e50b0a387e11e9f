"""``fedgraft simulate``: many sites on this machine, with the client and server of a deployed run."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from fedgraft.client import app as client_app
from fedgraft.client.cohort import Keeper
from fedgraft.client.cohort_inputs import inputs_of
from fedgraft.client.evaluation import evaluate_split
from fedgraft.client.examples import Examples
from fedgraft.client.limits import Rules
from fedgraft.client.machine import choose, cores
from fedgraft.client.manifest import read_manifest
from fedgraft.client.store import Store
from fedgraft.client.workspace import Stores, Workspace
from fedgraft.common import tasks, tensors
from fedgraft.common.errors import FedGraftError, RoundError
from fedgraft.common.model import Model
from fedgraft.common.parts import OURS
from fedgraft.common.plan import Plan, load_plan
from fedgraft.common.schema import Clock
from fedgraft.common.tasks import Evaluation
from fedgraft.server import app as server_app
from fedgraft.simulations.availability import Reaches, always, reaches
from fedgraft.simulations.calibration import calibrate
from fedgraft.simulations.clock import Pace, profiles
from fedgraft.simulations.clock_folder import add_to_summary, pace_of, read_facts, write_clock
from fedgraft.simulations.compose import run_hydra
from fedgraft.simulations.display import Display, clock_sentences, clock_table, site_table
from fedgraft.simulations.federation import Federation, lay_out
from fedgraft.simulations.grid import run_in_process
from fedgraft.simulations.ray_engine import run_on_ray
from fedgraft.simulations.study_options import Study
from fedgraft.simulations.table_statistics import with_local_statistics


@dataclass(frozen=True)
class Series:
    """What runs one after another share: what is kept of cases, and the bars. Their rounds are not drawn."""

    stores: Stores = field(default_factory=dict)
    bars: Progress | None = None


def main(arguments: Sequence[str]) -> int:
    """The command; `fedgraft simulate --help` teaches it."""
    return run_hydra(arguments, _job)


def simulate(plan: Plan, out: Path, console: Console) -> dict[str, Any]:
    """Run a plan over simulated sites.

    Args:
        out: the run's folder; gets what `fedgraft.server.app.serve` writes, the sites' folders, and with a clock
            ``clock.jsonl`` and ``clock.png``.

    Returns:
        the content of ``summary.json``.

    Raises:
        FedGraftError: the plan, its data or a round failed; the message holds what went wrong at the sites.
    """
    return simulate_over(plan, lay_out(plan, out / "sites", os.environ), out, console)


def simulate_over(
    plan: Plan, federation: Federation, out: Path, console: Console, series: Series | None = None
) -> dict[str, Any]:
    """`simulate` over sites that have been laid out, by itself or as one of a series."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    torch.set_num_threads(plan.engine.threads or cores())
    console.print(f"plan {plan.digest[:12]}: {len(federation.sites)} sites, {federation.cases} cases -> {out}")
    pace = None if plan.clock is None else _pace(plan, plan.clock, federation)
    reached = always if pace is None else reaches(pace.profiles, plan.seed)
    bars = None if series is None else series.bars
    with Display(console, federation.cases + len(federation.test), plan.rounds, bars) as display:
        trouble = _run(plan, out, federation, display, reached, series)
    for line in trouble:
        console.print(line, style="yellow", markup=False)
    if pace is not None:
        add_to_summary(out, write_clock(out, read_facts(out, plan), pace))
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return summary


def _pace(plan: Plan, clock: Clock, federation: Federation) -> Pace:
    """What virtual time assumes of the sites; measures on the first one's cases what the plan does not give."""
    sites = profiles(clock, list(federation.sites))
    first = next(iter(federation.sites.values())).parent
    known = with_local_statistics(plan, federation.sites)
    return pace_of(clock, sites, calibrate(known, read_manifest(first / "manifest.csv")))


def _run(
    plan: Plan, out: Path, federation: Federation, display: Display, reached: Reaches, series: Series | None
) -> list[str]:
    """All rounds; a sentence for each thing that went wrong at a site, once."""
    trouble: dict[str, None] = {}
    sites = list(federation.sites.values())
    config = {"plan": plan.to_json(), "out": str(out)}
    server = server_app.build(_central_test(out, plan, federation, display), display.round, draw=series is None)
    try:
        if plan.engine.name == "ray":
            client = client_app.build(client_app.Desk(Workspace(), sites))
            run_on_ray(server, client, len(sites), config, plan.engine.threads or 1)
        else:
            stores = {} if series is None else series.stores
            workspace = Workspace(display.computed, display.decoded, stores=stores)
            desk = client_app.Desk(workspace, sites, lambda site, error: trouble.setdefault(_sentence(site, error)))
            configs = [{"site-file": str(path)} for path in sites]
            train_all = desk.train_all if plan.engine.together else None
            run_in_process(server, client_app.build(desk), configs, config, train_all, reached)
    except RoundError as error:
        raise type(error)("\n".join([str(error), *trouble])) from error
    return list(trouble)


def _central_test(out: Path, plan: Plan, federation: Federation, display: Display) -> server_app.Evaluate | None:
    """Scores shared tensors on the cases kept at the coordinator, by the plan that the run wrote into its folder."""
    if not federation.test:
        return None
    held: list[Examples] = []
    task = tasks.of(plan.data)
    machine = choose("cpu", plan.engine.threads, plan.engine.workers, plan.engine.batch)

    def evaluate(model: Model, shared: dict[str, Tensor]) -> Evaluation:
        if not held:
            store = Store(federation.store / "kept" if plan.engine.store == "disk" else None)
            digest = tensors.digest(model.backbone_state())
            known = load_plan(out / "plan.yaml")  # with the statistics of a table in it
            allowed = (*OURS, *plan.engine.allow)
            inputs = inputs_of(known, model.spec, Rules(), store, machine.workers, display.decoded, None, allowed)
            keeper = Keeper(known, model, digest, inputs, store, machine, display.computed)
            held.append(keeper.examples(inputs.expanded(federation.test)))
        model.load(shared)
        found = evaluate_split(model.constant.trained, held[0], machine.device, task)
        return task.empty() if found is None else found

    return evaluate


def _sentence(site_file: Path, error: BaseException) -> str:
    """What happened at a simulated site; here, on one's own machine, with its text."""
    what = str(error) if isinstance(error, FedGraftError) else f"{type(error).__name__}: {error}"
    return f"  at {site_file.parent.name}: {what}"


def _job(plan: Plan, study: Study) -> None:
    console = Console()
    out = Path(HydraConfig.get().runtime.output_dir)
    if study.is_asked:
        from fedgraft.simulations.study import run_study  # which imports this file

        run_study(plan, study, out, console)
        return
    summary = simulate(plan, out, console)
    console.print(site_table(summary))
    _say_what_is_missing(console, summary)
    _say_how_long(console, summary, out)
    up, down = summary["bytes"]["up"], summary["bytes"]["down"]
    seconds = summary["seconds"]["total"]
    console.print(f"{seconds:.1f} s; per site and round {down:,} bytes down, {up:,} up; see {out}/rounds.png")


def _say_how_long(console: Console, summary: dict[str, Any], out: Path) -> None:
    if "clock" in summary:
        console.print(clock_table(summary["clock"]))
        for sentence in clock_sentences(summary["clock"]):
            console.print(sentence, highlight=False)
        console.print(
            f"see {out}/clock.png; with other lines and machines: fedgraft clock {out} clock.default.uplink=..."
        )


def _say_what_is_missing(console: Console, summary: dict[str, Any]) -> None:
    for line in summary["dropped"]:
        console.print(
            f"dropped: round {line['round']}, {line['site']} ({line['what']}): {line['reason']}", style="yellow"
        )
    for name, site in summary["sites"].items():
        if site["quarantined"]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in site["quarantined"].items())
            console.print(f"{name} can't use {sum(site['quarantined'].values())} case(s): {reasons}", style="yellow")
    if summary["initial_without"]:
        console.print(
            f"the head's start is without the sums of {', '.join(summary['initial_without'])}; ledger.jsonl says why",
            style="yellow",
        )
    if summary["interpolations"]:
        shares = ", ".join(f"{share}: {value}" for share, value in summary["interpolations"].items())
        console.print(f"shares of the trained head, by {summary['headline']} on validation cases: {shares}")
    withheld = summary["class_counts_withheld"]
    if withheld:
        console.print(
            f"class counts withheld (a count between 0 and min_count, or forbidden) by {', '.join(withheld)}: "
            "the global class counts come from the other sites",
            style="yellow",
        )

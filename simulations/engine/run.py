"""Simulate a run: many sites on this machine, with the same client and server code as a deployed run."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Stores, Workspace
from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext, factory_of
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.features.extraction import Cohort, FeatureExtractor
from fedgraft.client.site.machine import choose, cores
from fedgraft.client.site.row_store import Store
from fedgraft.client.training.evaluation import evaluate_split
from fedgraft.client.training.scaling import Scaling, scaled
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, RoundError
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.model_folder.graft import FILE, Graft
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.plan.sections import ClockSection
from fedgraft.server import app
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.reports.documents import write_documents
from fedgraft.server.rounds.state import RunOutcome
from fedgraft.server.tracking.tracker import Tracker, require_tracking, tracked
from fedgraft.simulations.clock.case_cost import calibrate
from fedgraft.simulations.clock.folder import add_to_summary, pace_of, read_facts, write_clock
from fedgraft.simulations.clock.timeline import Pace, profiles
from fedgraft.simulations.engine.cluster.run import Asked, run_on_ray
from fedgraft.simulations.engine.display import Display
from fedgraft.simulations.engine.grid import node_of, run_in_process
from fedgraft.simulations.engine.trouble import sentence
from fedgraft.simulations.federation.availability import Reaches, always, reaches
from fedgraft.simulations.federation.copies import copy_sentences
from fedgraft.simulations.federation.giveaways import giveaway_sentences
from fedgraft.simulations.federation.local_statistics import with_local_statistics
from fedgraft.simulations.federation.red_flags import red_flag_sentences
from fedgraft.simulations.federation.remarks import remark_sentences
from fedgraft.simulations.federation.sites import SimulatedSites, lay_out

Ended = Callable[[RunOutcome], None]


@dataclass(frozen=True)
class Series:
    """What the runs of a series share: stores of kept cases, and progress bars. Their rounds are not plotted."""

    stores: Stores = field(default_factory=dict)
    bars: Progress | None = None


def simulate(
    plan: Plan, out: Path, console: Console, resume: bool = False, extend: int = 0, graft: Graft | None = None
) -> dict[str, Any]:
    """Run a plan over simulated sites.

    Args:
        out: the run's folder: for the files of `fedgraft.server.app.serve`, the sites' folders, and with a clock
            ``clock.jsonl`` and ``clock.png``.
        resume: go on with the run that was interrupted in this folder.
        extend: so many rounds more than the plan says.
        graft: from which the run begins, if the plan names one.

    Returns:
        the content of ``summary.json``.

    Raises:
        FedGraftError: the plan, its data or a round failed; the message includes the errors at the sites.
        CheckpointError: the run can't be resumed.
    """
    require_tracking(plan)
    if not resume:
        (out / FILE).unlink(missing_ok=True)
    if graft is not None:
        graft.keep(out)
    federation = lay_out(plan, out / "sites", os.environ, keep_state=resume)
    return simulate_over(plan, federation, out, console, resume=resume, extend=extend)


def simulate_over(
    plan: Plan,
    federation: SimulatedSites,
    out: Path,
    console: Console,
    series: Series | None = None,
    ended: Ended = lambda outcome: None,
    resume: bool = False,
    extend: int = 0,
) -> dict[str, Any]:
    """`simulate` over sites that are written already; alone, or as one run of a series. ``ended`` gets the outcome."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    torch.set_num_threads(plan.engine.threads or cores())
    (out / "summary.json").unlink(missing_ok=True)  # an earlier run's would be taken for this one's if this one fails
    console.print(f"plan {plan.digest[:12]}: {len(federation.sites)} sites, {federation.cases} cases -> {out}")
    for note in federation.notes:
        console.print(note, markup=False, highlight=False)
    pace = None if plan.clock is None else _pace(plan, plan.clock, federation)
    reached = always if pace is None else reaches(pace.profiles, plan.seed)
    bars, lost = None if series is None else series.bars, list[str]()
    with tracked(plan, out) as tracker:
        with Display(console, federation.cases + len(federation.test), plan.rounds + extend, bars) as display:
            say = partial(_say, lost, console)
            trouble = _run(plan, out, federation, display, reached, series, ended, tracker, resume, extend, say)
        for line in trouble:
            console.print(line, style="yellow", markup=False)
        add_to_summary(out, "notes", list(federation.notes))
        if pace is not None:
            add_to_summary(out, "clock", write_clock(out, read_facts(out, plan), pace))
        told = lost + ([] if series is not None else _giveaways(plan, federation))
        if told:
            known = json.loads((out / "summary.json").read_text(encoding="utf-8"))["warnings"]
            add_to_summary(out, "warnings", [*known, *told])
        if federation.notes or told or pace is not None:
            write_documents(out)  # again: the summary tells more now
    Checkpoints(out).end()
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return summary


def _say(said: list[str], console: Console, sentence: str) -> None:
    """Say at once what a cluster has lost, and remember it."""
    console.print(sentence, style="yellow", markup=False)
    said.append(sentence)


def _giveaways(plan: Plan, federation: SimulatedSites) -> list[str]:
    """Sentences on columns that give the label away, on copies, on pixels, and on what endangers a patient; none if a
    site's cases can't be read, which the run has said."""
    try:
        cases = {name: read_manifest(path.parent / "manifest.csv") for name, path in federation.sites.items()}
        found = [*red_flag_sentences(plan, cases), *copy_sentences(cases), *giveaway_sentences(plan, cases)]
        return [*remark_sentences(federation.sites), *found]
    except DataError:
        return []


def _pace(plan: Plan, clock: ClockSection, federation: SimulatedSites) -> Pace:
    """What virtual time assumes of the sites; costs that the plan does not give are measured on a site's cases."""
    sites = profiles(clock, list(federation.sites))
    first = next(iter(federation.sites.values())).parent
    known = with_local_statistics(plan, federation.sites)
    return pace_of(clock, sites, calibrate(known, read_manifest(first / "manifest.csv")))


def _run(
    plan: Plan,
    out: Path,
    federation: SimulatedSites,
    display: Display,
    reached: Reaches,
    series: Series | None,
    ended: Ended,
    tracker: Tracker,
    resume: bool,
    extend: int,
    say: Callable[[str], None],
) -> list[str]:
    """Run all rounds; returns a sentence for each different error at a site. ``say`` is told what a cluster loses."""
    trouble: dict[str, None] = {}
    expected = federation.cases + len(federation.test)
    sites = list(federation.sites.values())
    config = {"plan": plan.to_json(), "out": str(out), "resume": "yes" if resume else "", "extend": str(extend)}
    test = _central_test(out, plan, federation, display)
    called = {node_of(place): name for place, name in enumerate(federation.sites)}
    server = app.build(
        test, display.round, series is None, ended, tracker, False, last=False, clock=None, called=called
    )
    try:
        if plan.engine.name == "ray":
            asked = Asked(plan.engine, sites, out, expected, display.counted, say, trouble, reached)
            run_on_ray(server, asked, config)
        else:
            stores = {} if series is None else series.stores
            workspace = Workspace(display.computed, display.decoded, stores=stores, lasting=False, expected=expected)
            handler = client_app.MessageHandler(
                workspace, sites, lambda site, error: trouble.setdefault(sentence(site, error))
            )
            configs = [{"site-file": str(path)} for path in sites]
            train_all = handler.train_all if plan.engine.together else None
            run_in_process(server, client_app.build(handler), configs, config, train_all, reached)
    except RoundError as error:
        raise type(error)("\n".join([str(error), *trouble])) from error
    return list(trouble)


def _central_test(out: Path, plan: Plan, federation: SimulatedSites, display: Display) -> app.Evaluate | None:
    """The evaluation of shared tensors on the coordinator's own test cases; ``None`` if there are none.

    Uses the plan that the run has written into its folder, which holds a table's statistics.
    """
    if not federation.test:
        return None
    held: list[tuple[Cohort, Scaling | None]] = []
    task, expected = tasks.of(plan.data), federation.cases + len(federation.test)
    engine = plan.engine
    machine = choose("cpu", engine.threads, engine.workers, engine.batch, engine.runtime)

    def evaluate(model: Model, shared: dict[str, Tensor]) -> Evaluation:
        if not held:
            store = Store(federation.store / "kept" if plan.engine.store == "disk" else None)
            digest = model.backbone_name
            known = load_plan(out / "plan.yaml")  # with the statistics of a table in it
            context = InputContext(known, plan.engine.trusted, store, workers=machine.workers, decoded=display.decoded)
            inputs = factory_of(context.kind, context.trusted).inputs(context)
            extractor = FeatureExtractor(known, model, digest, inputs, store, machine, display.computed, expected)
            cases = extractor.examples(accept_whole(federation.test, known, inputs), known.augment.evaluated)
            held.append(scaled({"train": cases}, model, shared, known, False, machine.device))
        model.load(shared)
        cohort, scaling = held[0]
        if scaling is not None:
            scaling.receive(shared)
        found = evaluate_split(model.constant.trained, cohort["train"], machine.device, task)
        return task.empty() if found is None else found

    return evaluate

"""The coordinator's Flower ServerApp: one run of one plan, into one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from torch import Tensor

from fedgraft.common import tasks, tensors
from fedgraft.common.errors import FedGraftError, PlanError, first_line
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.losses.suitability import require_suited
from fedgraft.common.model_folder.graft import graft_of_run
from fedgraft.common.model_folder.suits import require_suited as require_suited_graft
from fedgraft.common.models.build import build as build_model
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan, from_json
from fedgraft.common.plan.tracking_section import TrackingSection
from fedgraft.common.runtime.files import append_json
from fedgraft.common.runtime.run_lock import run_lock
from fedgraft.server.checkpoints.course import BEGINS, Course, Keeping, reason_for
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.checkpoints.interrupted import conclude
from fedgraft.server.deployment.folder import LEFT_OUT, LIVE, REGISTERED, TRACKING, confirmed_cases, names_in
from fedgraft.server.deployment.open_runs import end, place_of, why_ended
from fedgraft.server.exchange.clock import SYSTEM, Clock
from fedgraft.server.exchange.deadlines import UNTIMED, deadlines_of
from fedgraft.server.exchange.delivery import Delivery
from fedgraft.server.exchange.deployed_grid import deployed
from fedgraft.server.exchange.entries import note_failure
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.roster import distributed
from fedgraft.server.exchange.statistics import with_statistics
from fedgraft.server.patience.patience import NoPatience, Patience
from fedgraft.server.patience.register import Register
from fedgraft.server.patience.waiting import Board
from fedgraft.server.preflight.newcomers import decided_at, unfit_newcomers
from fedgraft.server.reports import summary
from fedgraft.server.reports.bounds import round_sentences
from fedgraft.server.reports.headline import closing_sentence, write_headline
from fedgraft.server.reports.plot_process import picture
from fedgraft.server.reports.results import write_results
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.selection import require_selectable
from fedgraft.server.rounds.state import Round, RunContext, RunOutcome
from fedgraft.server.secure.hearing import SecureHearing
from fedgraft.server.tracking.tracker import UNTRACKED, Tracker, figures, tracked

Evaluate = Callable[[Model, dict[str, Tensor]], Evaluation]


def build(
    evaluate: Evaluate | None = None,
    progress: Callable[[Round], None] | None = None,
    draw: bool = True,
    ended: Callable[[RunOutcome], None] = lambda outcome: None,
    tracker: Tracker | None = None,
    durable: bool = True,
    last: bool = True,
    clock: Clock | None = SYSTEM,
    called: Mapping[int, str] = MappingProxyType({}),
) -> ServerApp:
    """A ServerApp; reads ``plan`` (JSON), ``run`` (its name; for a simulation ``out``, a folder), ``resume`` (not
    empty: go on with the run that is there) and ``extend`` (so many rounds more) from the run's configuration.

    Args:
        evaluate: scores shared tensors on a test set that the coordinator holds, given its model.
        progress: is shown each round once it is aggregated; by default a line is printed.
        draw: write ``rounds.png``.
        ended: is given the outcome, once all files are written.
        tracker: of the run, which whoever opened it closes; by default the plan's is opened here.
        durable: wait after each round until its checkpoint is on the disk.
        last: mark the run as complete at its end; ``False`` if the caller adds to its files, and marks it then.
        clock: by which the run waits for sites; ``None`` for a simulation, in which nothing waits.
        called: names of sites by node id, of a simulation.
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        plan = from_json(str(context.run_config.get("plan", "")))
        out = place_of(context.run_config, os.environ)
        plan = with_tracking(plan, out)
        more = int(str(context.run_config.get("extend", "")) or 0)
        keeping = Keeping(context.run_id, bool(context.run_config.get("resume", "")), durable, more, called)
        through = deployed(grid, out, _registered(out))
        with run_lock(out), _said_why(out, last):
            with tracked(plan, out) if tracker is None else nullcontext(tracker) as keeps:
                shown = progress or print_round
                ended(serve(through, plan, out, evaluate, shown, draw, keeps, keeping, clock))
            if last:
                Checkpoints(out).end()
            if progress is None:
                print(closing_sentence(out), flush=True)

    return app


@contextmanager
def _said_why(out: Path, last: bool) -> Iterator[None]:
    """If an error of ours ends the block, write down why, so that the run is not begun again by itself; any other end
    of the process is an accident."""
    try:
        yield
    except FedGraftError as error:
        if last:
            end(out, first_line(error))
        raise


def serve(
    grid: Grid,
    plan: Plan,
    out: Path,
    evaluate: Evaluate | None,
    progress: Callable[[Round], None],
    draw: bool = True,
    tracker: Tracker = UNTRACKED,
    keeping: Keeping = BEGINS,
    clock: Clock | None = None,
) -> RunOutcome:
    """Run a plan and write all files of a run into ``out``; the plan that is written holds a table's federated
    statistics. If the run fails, or is interrupted, the files are those of its last completed round."""
    require_suited(plan, plan.engine.trusted)
    out.mkdir(parents=True, exist_ok=True)
    registered = _registered(out)
    course = _opened(out, plan, keeping, registered)
    ledger, delivery = course.ledger, _delivery(grid, plan, clock, course, registered)
    waits = _waits(plan, delivery, ledger, registered, out) if clock is not None else NoPatience()
    asks = partial(_resolved, delivery, plan, registered, ledger)
    plan, model = waits.until_quorum(asks) if course.resumed is None else course.model(plan)
    (out / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    _require_scorable(plan, evaluate, model)
    lines = course.lines()
    context = RunContext(
        delivery=delivery,
        plan=plan,
        backbone=distributed(model),
        initial=model.tensors(model.received),
        begins=_begins(course, plan, model),
        ledger=ledger,
        groups=model.groups,
        evaluate=None if evaluate is None else lambda shared: evaluate(model, shared),
        registered=registered,
        confirmed=partial(confirmed_cases, out),
        unfit=unfit_newcomers(out, plan, model),
        sums=SecureHearing(delivery, plan, ledger, registered) if plan.aggregation.secure else None,
        waits=waits,
        keep=lambda shared: tensors.save(out / "shared.safetensors", shared, {"plan_digest": plan.digest}),
        finished=_writing(out, lines, tracker),
        progress=progress,
        reached=course.keeps(plan, delivery.durations),
    )
    with picture(out / "rounds.png") if draw else nullcontext() as drawn:
        return _run(context, course, model, lambda result: None if drawn is None else drawn.draw(lines, result))


def _opened(out: Path, plan: Plan, keeping: Keeping, registered: Mapping[int, str]) -> Course:
    """The course of the run, with what whoever watches it must know."""
    course = Course.open(out, plan, keeping, registered)
    write_headline(out, tasks.of(plan.data), course.going_on(plan))
    return course


def _run(context: RunContext, course: Course, model: Model, draw: Callable[[dict[str, Any]], None]) -> RunOutcome:
    """Run all rounds and write the results; those of the rounds before, if an error ends the run. ``draw`` is given the
    content of ``summary.json``."""
    out = course.checkpoints.out
    try:
        outcome = run(context, course.resumed)
    except (Exception, KeyboardInterrupt) as error:
        result = conclude(out, why_ended(out) or reason_for(error))
        if result is not None:
            draw(result)
        raise
    draw(write_results(out, context.plan, model, outcome, context.ledger, course.seconds, extended=course.extended))
    return outcome


def _writing(out: Path, lines: list[dict[str, Any]], tracker: Tracker) -> Callable[[Round], None]:
    """Adds each round to ``lines``, ``rounds.jsonl`` and what the tracker keeps."""

    def finished(round_: Round) -> None:
        lines.append(summary.round_line(round_))
        append_json(out / "rounds.jsonl", lines[-1])
        if tracker is not UNTRACKED:  # thousands of sites have tens of thousands of figures
            tracker.figures(figures(lines[-1]), round_.number)

    return finished


def _require_scorable(plan: Plan, evaluate: Evaluate | None, model: Model) -> None:
    require_selectable(plan, model)
    if evaluate is not None and model.has_local_scale and not model.is_trained_apart:
        raise PlanError(
            "data.test=coordinator can't score a model whose features each site scales by its own cases; use "
            "features.scale=common or case, or data.test=sites data.test_fraction=0.2"
        )
    if evaluate is not None and model.needs_its_site:
        raise PlanError(
            "data.test=coordinator can't score a model of which a part (layers, a head) stays at the sites; "
            "use data.test=sites data.test_fraction=0.2"
        )


def _begins(course: Course, plan: Plan, model: Model) -> dict[str, Tensor] | None:
    """The tensors from which the run begins, if they are those of another run."""
    graft = None if course.resumed is not None else graft_of_run(course.checkpoints.out, plan)
    if graft is None:
        return None
    require_suited_graft(graft, plan, model)
    return graft.tensors


def _delivery(grid: Grid, plan: Plan, clock: Clock | None, course: Course, registered: Mapping[int, str]) -> Delivery:
    if clock is None:
        return Delivery(grid, UNTIMED, SYSTEM, course.name)
    noting = partial(note_failure, course.ledger)
    return Delivery(grid, deadlines_of(plan.patience, course.durations), clock, course.name, registered, noting)


def _waits(plan: Plan, delivery: Delivery, ledger: Ledger, registered: Mapping[int, str], out: Path) -> Patience:
    def expected() -> set[str]:
        return set(registered.values()) - set(plan.hold_out)

    def connected() -> set[str]:
        return {registered[node] for node in delivery.nodes() if node in registered}

    return Patience(plan.patience, delivery, ledger, expected, Board(out), connected, partial(decided_at, out))


def _resolved(delivery: Delivery, plan: Plan, registered: Mapping[int, str], ledger: Ledger) -> tuple[Plan, Model]:
    """The plan with all numbers in it, and its model. What is wrong with a model is said before any site decodes a
    case, unless the model depends on the sites' statistics."""
    trusted = plan.engine.trusted
    asked = kind_of(plan, trusted).federated_statistics()
    model = None if asked is not None and asked.stand_in() is None else build_model(plan, None, trusted)
    plan = with_statistics(delivery, plan, registered, ledger)
    return plan, build_model(plan, None, trusted) if model is None else model


def print_round(round_: Round) -> None:
    """One line per round, for the coordinator's log; of the untrained model only what the coordinator's own test set
    says."""
    if round_.number == 0 and round_.central is None:
        return
    name, headline, rest = round_.task.columns[round_.task.headline], round_.task.headline, round_.rested_on
    central = "" if round_.central is None else f", test {name} {round_.central.figures()[headline]}"
    loss = "" if round_.train_loss is None else f", training loss {round_.train_loss:.4f}"
    fit = "" if round_.fit is None else f", {round_.fit.sentence}"
    few = "" if rest is None or rest.is_whole else f" of {rest.of_sites}, on {rest.cases} of {rest.of_cases} cases"
    who = "the untrained model" if round_.number == 0 else f"{len(round_.sites)} site(s) updated"
    print(f"round {round_.number}: {who}{few}{loss}{central}{fit}", flush=True)
    lost = "" if round_.steps is None else round_.steps.sentence
    for sentence in (*filter(None, (lost,)), *round_sentences(round_)):
        print(f"  {sentence}", flush=True)


def with_tracking(plan: Plan, out: Path) -> Plan:
    """The plan with the ``tracking`` that ``fedgraft coordinator run`` left in the run's folder, if it left any."""
    path = out / TRACKING
    return replace(plan, tracking=TrackingSection(**json.loads(path.read_text()))) if path.is_file() else plan


def _registered(out: Path) -> Mapping[int, str]:
    """Names by node id of the sites that the run asks, if ``fedgraft coordinator run`` left them in the run's folder;
    those that are registered now, if it left the path of the coordinator's own list."""
    names, live, left_out = names_in(out / REGISTERED), out / LIVE, names_in(out / LEFT_OUT)
    if live.is_file():
        return Register(Path(json.loads(live.read_text())["sites"]), names, left_out)
    return {node: name for node, name in names.items() if node not in left_out}


app = build()

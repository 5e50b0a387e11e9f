"""Run one training of a study: options without effect on its cases are removed, and its tensors deleted afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from fedgraft.common import tasks
from fedgraft.common.errors import FedGraftError, InertError, PlanError, UndefinedFigureError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.rounds.state import RunOutcome
from fedgraft.simulations.engine.display import Runs
from fedgraft.simulations.engine.predictions import CaseScores, read_scores
from fedgraft.simulations.engine.resuming import goes_on
from fedgraft.simulations.engine.run import Series, simulate_over
from fedgraft.simulations.federation.local_statistics import without_unknown
from fedgraft.simulations.federation.sites import write_sites
from fedgraft.simulations.study.baselines import FINAL, LOCAL, Arrangement, without
from fedgraft.simulations.study.kept import keep_trained, kept_trained
from fedgraft.simulations.study.out_of_fold import RoundScores
from fedgraft.simulations.study.summary import Trained


@dataclass(frozen=True)
class Bench:
    """What the trainings of a study share: the study's folder, the series of runs, the console, the progress bars, and
    whether it goes on with a study that was cut off."""

    out: Path
    series: Series
    console: Console
    runs: Runs
    resume: bool = False


def train_one(arrangement: Arrangement, lr: float, bench: Bench) -> Trained:
    """Run one training at one learning rate; a failure is returned as a result, not raised.

    Raises:
        PlanError: an option of a rival has no effect on the sites' cases.
    """
    plan = replace(arrangement.plan, train=replace(arrangement.plan.train, lr=lr))
    folder = run_folder(arrangement, lr, bench)
    at = f"seed {plan.seed}{arrangement.draw.words}, {arrangement.name}, lr {lr:g}"
    bench.runs.begin(at)
    known = _known(arrangement, plan, folder) if bench.resume else None
    if known is not None:
        bench.runs.end()
        return known
    try:
        found = _with_effect(replace(arrangement, plan=plan), folder, bench)
        keep_trained(folder, plan.digest, found)
    except FedGraftError as error:
        if arrangement.rival and isinstance(error, InertError):
            raise PlanError([f"against, {arrangement.name}: {problem}" for problem in error.problems]) from error
        bench.console.print(Text(f"{at}: failed", style="yellow"))
        return replace(_nothing(arrangement, lr), failed=str(error))
    finally:
        bench.runs.end()
    _clean(folder)
    val = "none" if found.val is None else f"{found.val:.3f}"
    bench.console.print(f"{at}: {found.seconds:.1f} s, validation figure {val}", highlight=False)
    for line in found.dropped:
        said = f"  dropped: round {line['round']}, {line['site']} ({line['what']}): {line['reason']}"
        bench.console.print(Text(said, style="yellow"))  # the print's own style would colour the bars too
    return found


def _known(arrangement: Arrangement, plan: Plan, folder: Path) -> Trained | None:
    """The result of this training, if it has ended already."""
    found = kept_trained(folder, plan.digest, tasks.of(plan.data))
    places = {site: folder / "sites" / site / "state" for site in arrangement.tested}
    return None if found is None else replace(found, scores=_scores(arrangement, plan, places))


def _scores(arrangement: Arrangement, plan: Plan, states: Mapping[str, Path]) -> dict[str, CaseScores]:
    """The scores of the tested sites' cases, from the sites' state folders."""
    task = tasks.of(plan.data)
    scores = {site: read_scores(states[site], task) for site in arrangement.tested if site in states}
    return {site: one for site, one in scores.items() if one is not None}


def run_folder(arrangement: Arrangement, lr: float, bench: Bench) -> Path:
    seed = bench.out / "runs" / f"seed-{arrangement.plan.seed}"
    return seed.joinpath(*arrangement.draw.folders, arrangement.folder, f"lr-{lr:g}")


def _nothing(arrangement: Arrangement, lr: float) -> Trained:
    """A training without a result."""
    seed, fold = arrangement.plan.seed, arrangement.draw.fold
    return Trained(arrangement.method, arrangement.site, seed, lr, tested=arrangement.tested, fold=fold)


def _with_effect(arrangement: Arrangement, folder: Path, bench: Bench) -> Trained:
    """Run a training without the options that have no effect on its cases, which are found by running it.

    The run's own checks name such options, before training or after one round. For the federation and its rivals they
    are an error, as in any run, unless the study itself made the classes equally common (``cases``).
    """
    may_remove = not arrangement.is_recipe or arrangement.draw.is_thinned
    removed: tuple[str, ...] = ()
    while True:
        try:
            return replace(_run(arrangement, folder, bench), without_options=removed)
        except (InertError, UndefinedFigureError) as error:
            options = error.options if isinstance(error, InertError) else _choosing(arrangement.plan)
            less = without(arrangement.plan, options)
            if not may_remove or less == arrangement.plan:
                raise
            arrangement, removed = replace(arrangement, plan=less), (*removed, *options)


def _choosing(plan: Plan) -> tuple[str, ...]:
    """The option in `FINAL` that the plan uses; a plan has at most one."""
    select, interpolate = FINAL
    return (select,) if plan.select != "last" else (interpolate,)


def _run(arrangement: Arrangement, folder: Path, bench: Bench) -> Trained:
    plan = arrangement.plan
    columns: tuple[str, ...] = ()
    resume = bench.resume and goes_on(folder, plan)
    # what a site learns by itself leaves nobody; and how little is enough is what a curve over few cases asks
    least = 1 if arrangement.method == LOCAL or arrangement.draw.is_thinned else None
    federation = write_sites(plan, arrangement.partitioned, folder / "sites", os.environ, resume, least)
    if not arrangement.is_recipe:
        plan, columns = without_unknown(plan, federation.sites)
    outcomes: list[RunOutcome] = []
    summary = simulate_over(plan, federation, folder, Console(quiet=True), bench.series, outcomes.append, resume)
    scores = _scores(arrangement, plan, {name: path.parent / "state" for name, path in federation.sites.items()})
    return replace(_read(arrangement, summary, outcomes[0]), without_columns=columns, scores=scores)


def _rounds(arrangement: Arrangement, outcome: RunOutcome) -> tuple[RoundScores, ...]:
    """What each round's model gave on validation cases (of all training sites) and test cases (by tested site)."""
    found = []
    for one in outcome.rounds:
        val = one.pooled("val", arrangement.plan.hold_out)
        tests = {site: splits["test"] for site, splits in one.by_site.items() if "test" in splits}
        found.append(RoundScores(None if val is None else val.figures()[one.task.headline], tests))
    return tuple(found)


def _read(arrangement: Arrangement, summary: Mapping[str, Any], outcome: RunOutcome) -> Trained:
    """The result from a run's ``summary.json``; figures on a test set at the coordinator count for every site."""
    central = summary["test"]["source"] == "coordinator"
    by_site, official = outcome.final.by_site, outcome.final.central
    tests = {site: by_site[site]["test"] for site in arrangement.tested if "test" in by_site.get(site, {})}
    return replace(
        _nothing(arrangement, arrangement.plan.train.lr),
        val=summary["val"][summary["headline"]],
        figures={
            site: summary["test"] if central else summary["sites"][site]
            for site in arrangement.tested
            if central or site in summary["sites"]
        },
        evaluations=tests if official is None else dict.fromkeys(arrangement.tested, official),
        rounds=_rounds(arrangement, outcome) if arrangement.plan.select == "best" else (),
        # without decoding, which only the first run does, before its rounds
        seconds=summary["seconds"]["per_round"] * summary["rounds"],
        bytes_up=summary["bytes"]["up"],
        bytes_down=summary["bytes"]["down"],
        dropped=tuple(summary["dropped"]),
    )


def _clean(folder: Path) -> None:
    """Delete the tensors of rounds at the coordinator and at the sites; the model stays."""
    (folder / "shared.safetensors").unlink(missing_ok=True)
    Checkpoints(folder).begin()
    for local in folder.glob("sites/*/state/local"):
        shutil.rmtree(local)

"""A study: a plan's federation beside its baselines, over seeds, each method at the rate that is best for it.

Test cases choose nothing. A rate is chosen for each seed anew, by that seed's validation cases: another seed splits
otherwise, and its validation cases may be this one's test cases. Each site alone chooses its own.

``study.json`` (a figure that is undefined is null; lists by seed are in the order of ``seeds``):

- ``headline``, ``heading``: the figure that is compared; ``seeds``, ``sites``, ``methods``
- ``by_site.<site>.<method>``, ``mean_over_sites.<method>``: ``mean``, ``sd``, ``values`` (by seed)
- ``worst_site.<method>``: the same with its ``site``
- ``difference.<baseline>.mean_over_sites``, ``difference.<baseline>.by_site.<site>``: federated minus baseline, with
  ``mean``, ``low``, ``high``, ``values``
- ``verdict``: in words, if ``local`` is among the baselines
- ``chosen_lr.<run>``: by seed; ``chosen_without_val``: runs that took the federation's rate
- ``cost.<method>``: ``runs``, ``seconds``, ``bytes_up`` and ``bytes_down`` (per site and round)
- ``without_columns.<run>``: columns of the table that nobody measured where it was trained
- ``failed``: runs without a result, and why
- ``figures.<method>``: for each seed, all figures by site
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fedgraft.common import tasks
from fedgraft.common.errors import DataError, FedGraftError, PlanError, RoundError
from fedgraft.common.plan import Plan
from fedgraft.simulations.baselines import FEDERATED, Arrangement, arrangements, require_suited
from fedgraft.simulations.federation import Dealt, deal, write_sites
from fedgraft.simulations.run import Series, simulate_over
from fedgraft.simulations.study_options import Study
from fedgraft.simulations.study_plot import draw_study
from fedgraft.simulations.study_report import markdown, print_study
from fedgraft.simulations.study_summary import Trained, summarise
from fedgraft.simulations.table_statistics import without_unknown

MODEL = "model.safetensors"


@dataclass(frozen=True)
class Bench:
    """Where a study's runs are made: its folder, what they share, and where it says what happens."""

    out: Path
    series: Series
    console: Console


def run_study(plan: Plan, study: Study, out: Path, console: Console) -> dict[str, Any]:
    """Every run of a study; writes ``study.json``, ``study.md``, ``study.png`` and ``runs/`` into ``out``.

    A run's folder is that of ``fedgraft simulate`` without ``rounds.png``; of the models only the federation's is kept,
    at the chosen rate.

    Returns:
        the content of ``study.json``.

    Raises:
        PlanError: a baseline can't be had of this plan.
        FedGraftError: the federation failed. A baseline that fails is shown as such, with the reason.
    """
    require_suited(plan, study, os.environ)
    bench, trained = Bench(out, Series(), console), []
    for seed in study.seeds or (plan.seed,):
        seeded = replace(plan, seed=seed)
        dealt = deal(seeded, os.environ)
        if len(study.lrs) > 1:
            _require_validation(seeded, dealt)
        trained += _trained(arrangements(seeded, study, dealt, os.environ), study.lrs or (plan.train.lr,), bench)
    found = summarise(trained, tasks.of(plan.data))
    (out / "study.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / "study.md").write_text(markdown(found, plan), encoding="utf-8")
    draw_study(out / "study.png", found)
    print_study(found, console)
    console.print(f"see {out}/study.md and {out}/study.png")
    return found


def _trained(given: Sequence[Arrangement], lrs: Sequence[float], bench: Bench) -> list[Trained]:
    """All arrangements of one seed, each at its best rate; the federation is the first."""
    found: list[Trained] = []
    for arrangement in given:
        tried = [_run(arrangement, lr, bench) for lr in lrs]
        best = choose(tried, found[0].lr if found else None)
        if best.failed is not None and best.method == FEDERATED:
            raise FedGraftError(f"seed {best.seed}, {best.name}, lr {best.lr:g}: {best.failed}")
        for one in tried:
            if one is not best or one.method != FEDERATED:
                (_folder(arrangement, one.lr, bench) / MODEL).unlink(missing_ok=True)
        found.append(replace(best, runs=len(tried), seconds=sum(one.seconds for one in tried)))
    return found


def choose(tried: Sequence[Trained], fallback: float | None) -> Trained:
    """The run with the best validation figure, among equals the first; none has one: that at the rate ``fallback``.

    A rate that failed (too high, and training diverged) is only chosen if all did.

    Raises:
        RoundError: none has one, and there is no fallback.
    """
    ended = [one for one in tried if one.failed is None]
    known = [one for one in ended if one.val is not None]
    if known:
        return max(known, key=lambda one: one.val or 0.0)
    if len(ended) < 2:
        return (ended or list(tried))[0]
    if fallback is None:
        raise RoundError(
            "lrs: the federation has no defined figure on validation cases to choose by (they are of one class, or a "
            "site withholds those of fewer than its min_count); raise data.val_fraction, or leave lrs out"
        )
    taken = next(one for one in tried if one.lr == fallback)
    return replace(taken, chosen_without_val=True)


def _run(arrangement: Arrangement, lr: float, bench: Bench) -> Trained:
    """One training; that it failed is a result too."""
    plan = replace(arrangement.plan, train=replace(arrangement.plan.train, lr=lr))
    folder = _folder(arrangement, lr, bench)
    at = f"seed {plan.seed}, {arrangement.name}, lr {lr:g}"
    dropped: tuple[str, ...] = ()
    try:
        federation = write_sites(plan, arrangement.dealt, folder / "sites", os.environ)
        if arrangement.method != FEDERATED:
            plan, dropped = without_unknown(plan, federation.sites)
        summary = simulate_over(plan, federation, folder, Console(quiet=True), bench.series)
    except (RoundError, DataError, PlanError) as error:
        bench.console.print(f"{at}: failed", style="yellow")
        return Trained(
            arrangement.method, arrangement.site, plan.seed, lr, tested=arrangement.tested, failed=str(error)
        )
    found = replace(_read(arrangement, plan.seed, lr, summary), without_columns=dropped)
    bench.console.print(f"{at}: {found.seconds:.1f} s, val {summary['headline']} {found.val}", highlight=False)
    for line in summary["dropped"]:
        said = f"  dropped: round {line['round']}, {line['site']} ({line['what']}): {line['reason']}"
        bench.console.print(said, style="yellow", markup=False)
    return found


def _read(arrangement: Arrangement, seed: int, lr: float, summary: Mapping[str, Any]) -> Trained:
    """What of a run's ``summary.json`` a study needs; with a test set at the coordinator, it is each site's figure."""
    central = summary["test"]["source"] == "coordinator"
    return Trained(
        method=arrangement.method,
        site=arrangement.site,
        seed=seed,
        lr=lr,
        tested=arrangement.tested,
        val=summary["val"][summary["headline"]],
        figures={
            site: summary["test"] if central else summary["sites"][site]
            for site in arrangement.tested
            if central or site in summary["sites"]
        },
        seconds=summary["seconds"]["total"],
        bytes_up=summary["bytes"]["up"],
        bytes_down=summary["bytes"]["down"],
    )


def _require_validation(plan: Plan, dealt: Dealt) -> None:
    """Whether there is anything to choose a rate by, where the data set brings its own split."""
    if plan.data.test == "given" and not any(case.split == "val" for cases in dealt.sites.values() for case in cases):
        raise PlanError(
            "lrs needs validation cases to choose by, and this data set's own split has none; leave lrs out, or use a "
            "data set (or option of it) without a split, with data.test=sites data.val_fraction=0.15"
        )


def _folder(arrangement: Arrangement, lr: float, bench: Bench) -> Path:
    return bench.out / "runs" / f"seed-{arrangement.plan.seed}" / arrangement.name / f"lr-{lr:g}"

"""``fedgraft simulate``: run a simulation or a study and print its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from fedgraft.common.errors import PlanError, RoundError
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.simulations import api
from fedgraft.simulations.clock.report import clock_sentences, clock_table
from fedgraft.simulations.commands.ending import told_to_end
from fedgraft.simulations.commands.hydra_main import run_hydra
from fedgraft.simulations.commands.resumed import resumed_words
from fedgraft.simulations.commands.sweep import Swept, say_sweep, swept
from fedgraft.simulations.engine.display import site_table, wide_console
from fedgraft.simulations.engine.earlier import remove_earlier_results
from fedgraft.simulations.engine.sureness import sureness
from fedgraft.simulations.planning.begins import START_FROM, require_elsewhere
from fedgraft.simulations.planning.planned import Planned


def main(arguments: Sequence[str]) -> int:
    """Run the command; ``fedgraft simulate --help`` explains it."""
    again, runs = resumed_words(arguments), list[Swept]()
    with told_to_end():
        if again is not None:
            return run_hydra(again.words, partial(_job, resume=True, extend=again.extend))
        try:
            return run_hydra(arguments, partial(_job, runs=runs), before_plan=_clear)
        finally:
            say_sweep(runs, wide_console())


def _out() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


def _clear(config: DictConfig) -> None:
    named, out = config.get(START_FROM), _out()
    if named is not None:
        require_elsewhere(Path(str(named)), out)
    remove_earlier_results(out)


def _job(planned: Planned, resume: bool = False, extend: int = 0, runs: list[Swept] | None = None) -> None:
    """Run one plan or study, and print its results; ``runs`` gets it, if it is a run of a sweep."""
    console, out = wide_console(), _out()
    if planned.study.is_asked:
        if extend:
            raise PlanError("extend is for a run; a study with more rounds is another study")
        try:
            api.study(planned, out=out, resume=resume)
        except KeyboardInterrupt:
            console.print(f"fedgraft simulate resume={out} goes on with the study", markup=False, highlight=False)
            raise
        return
    try:
        summary = api.simulate(planned, out, resume=resume, extend=extend).summary
    except (RoundError, KeyboardInterrupt):
        if Checkpoints(out).numbers():
            console.print(f"fedgraft simulate resume={out} goes on with the run", markup=False, highlight=False)
        raise
    console.print(site_table(summary))
    for sentence in sureness(summary):
        console.print(sentence, highlight=False, markup=False)
    for warning in summary["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)
    _say_what_is_missing(console, summary)
    _say_what_was_found(console, summary)
    _say_how_long(console, summary, out)
    up, down = summary["bytes"]["up"], summary["bytes"]["down"]
    seconds = summary["seconds"]["total"]
    console.print(f"{seconds:.1f} s; per site and round {down:,} bytes down, {up:,} up; see {out}/report.html")
    if runs is not None:
        runs += swept(out, summary)


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
            counts = site["quarantined"]
            reasons = ", ".join(f"{reason} {count or 'few'}" for reason, count in counts.items())
            few = " (few: fewer than its release.min_count)" if 0 in counts.values() else ""
            some = f"{sum(counts.values())}" if not few else "some"
            console.print(f"{name} can't use {some} case(s): {reasons}{few}", style="yellow")
    if summary["initial_without"]:
        console.print(
            f"the head's start is without the sums of {', '.join(summary['initial_without'])}; ledger.jsonl says why",
            style="yellow",
        )
    if summary["moments_without"]:
        console.print(
            f"the common scale of features is without {', '.join(summary['moments_without'])}; ledger.jsonl says why",
            style="yellow",
        )
    if summary["ranking_without"]:
        console.print(
            f"the ranking of features is without {', '.join(summary['ranking_without'])}; ledger.jsonl says why",
            style="yellow",
        )
    withheld = summary["class_counts_withheld"]
    if withheld:
        console.print(
            f"class counts withheld (a count between 0 and min_count, or forbidden) by {', '.join(withheld)}: "
            "the global class counts come from the other sites",
            style="yellow",
        )


def _tell_fits(fits: Sequence[Mapping[str, Any]], console: Console) -> None:
    """How the fits of ``strategy=exact`` ended; nothing for another strategy."""
    if fits:
        each = ", ".join(f"{fit['ridge']:.3g} ({fit['evaluations']})" for fit in fits)
        console.print(f"ridges, and how often each asked for the gradient: {each}")
    short = [f"{fit['ridge']:.3g}" for fit in fits if not fit["converged"]]
    if short:
        console.print(
            f"not converged at ridge {', '.join(short)}: raise strategy.most_evaluations or strategy.tolerance, or end "
            "the path earlier (strategy.weakest)",
            style="yellow",
        )


def _say_what_was_found(console: Console, summary: dict[str, Any]) -> None:
    for name, shares in summary["prevalence_estimated"].items():
        found = "not told" if shares is None else ", ".join(f"{label} {share:.2f}" for label, share in shares.items())
        console.print(
            f"the class-balanced scale at {name} rests on an estimate of its prevalence, without labels ({found})",
            style="yellow",
        )
    if summary["kept"]:
        each = ", ".join(f"{name} {number}" for name, number in summary["kept"].items())
        console.print(f"features.keep: {each}")
    for option, figures in summary["choices"].items():
        best = max((name for name in figures if figures[name] is not None), key=lambda name: figures[name])
        tried = ", ".join(f"{name}: {value}" for name, value in figures.items())
        console.print(f"{option}: {best} was chosen, by {summary['headline']} on validation cases ({tried})")
    if summary["interpolations"]:
        shares = ", ".join(f"{share}: {value}" for share, value in summary["interpolations"].items())
        console.print(f"shares of the trained head, by {summary['headline']} on validation cases: {shares}")
    _tell_fits(summary["fits"], console)

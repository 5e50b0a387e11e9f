"""FedGraft from Python: what ``import fedgraft`` offers, and what the researcher's commands call (docs/python.md)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from fedgraft.common.errors import CheckpointError, PlanError
from fedgraft.common.plan import notebook
from fedgraft.common.plan.graft_sections import AdaptSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.private import private_files
from fedgraft.simulations.engine import run as engine
from fedgraft.simulations.engine.display import wide_console
from fedgraft.simulations.engine.earlier import remove_earlier_results
from fedgraft.simulations.engine.result import Run
from fedgraft.simulations.engine.resuming import nothing_left, require_begun
from fedgraft.simulations.planning.begins import beginning, planned_file, require_elsewhere
from fedgraft.simulations.planning.frame import FrameSource
from fedgraft.simulations.planning.options import OPTIONS, Study, contradictions, split_off
from fedgraft.simulations.planning.own_parts import Given, with_parts
from fedgraft.simulations.planning.planned import Planned, Words
from fedgraft.simulations.planning.replaced_data import with_source
from fedgraft.simulations.planning.rivals import with_rivals
from fedgraft.simulations.planning.words import composed, words_of
from fedgraft.simulations.study.comparison import Comparison
from fedgraft.simulations.study.study import run_study

AnyPlan = Planned | Plan | str | Path
"""What `plan` gives, a plan itself, or the path of a ``plan.yaml``."""


def plan(
    *words: str, source: FrameSource | None = None, config_dir: str | Path | None = None, **options: Any
) -> Planned:
    """A checked plan.

    Args:
        words: as on the command line: ``"data=busi"``, ``"partition.sites=5"``.
        source: own cases (`FrameSource.from_frame`).
        config_dir: a folder with groups of one's own (``loss/mine.yaml``), as ``--config-dir``.
        options: keywords with Python values; they win over ``words``. ``loss="focal"`` chooses from a group,
            ``rounds=8`` sets a value. Two underscores are a dot (``train__lr=0.1``), and a mapping sets several values
            (``train={"lr": 0.1}``).

    Raises:
        PlanError: everything that is wrong, in one list.
        DataError: what the plan leaves open (classes, for instance) can't be found in the cases.
    """
    asked = words_of(words, options, config_dir)
    if source is None:
        return with_rivals(composed(asked))
    made = composed(source.before(asked))
    return with_rivals(replace(made, words=asked, whole=made.words))


def simulate(
    plan: AnyPlan,
    out: str | Path | None = None,
    *,
    source: FrameSource | None = None,
    parts: Mapping[str, Given] | None = None,
    quiet: bool = False,
    resume: bool = False,
    extend: int = 0,
    start_from: str | Path | None = None,
) -> Run:
    """Train over simulated sites in this process, and show how far it is.

    Args:
        out: the run's folder; the results of an earlier run are removed from it first. ``None`` makes a new one below
            ``runs``.
        source: own cases in place of the plan's data set; options that have no effect then are printed.
        parts: classes in place of parts of the plan (`fedgraft.simulations.planning.own_parts.with_parts`); such a
            plan can't be deployed.
        quiet: show nothing.
        resume: go on with the run of this plan that was interrupted in the folder ``out``, at its next round; one that
            is complete stays as it is.
        extend: with ``resume``, so many rounds more than the plan says, for a run that is complete.
        start_from: the folder of a finished run, from whose graft this one begins. `plan` takes it too; here it is for
            a plan of a file.

    Raises:
        PlanError: the plan asks for a study, or its parts or its source don't suit it.
        CheckpointError: there is nothing to resume.
        FedGraftError: the plan, its data or a round failed; the message holds what went wrong at the sites.
    """
    planned = _beginning(_planned(plan, source), start_from, out, resume, extend)
    if planned.study.is_asked:
        raise PlanError(
            "the plan asks for a study (baselines, against, seeds, lrs, folds or cases); fedgraft.study(plan) runs it"
        )
    lending, folder = with_parts(planned.plan, parts or {}), _folder(out)
    if not resume:
        remove_earlier_results(folder)
    elif nothing_left(folder, lending.plan, out, extend):
        wide_console(quiet).print(f"{folder} is complete, and stays as it is; extend=N adds N rounds", markup=False)
        return Run(folder, parts)
    with notebook.lent(lending.parts), _left_as_found(), private_files():
        engine.simulate(lending.plan, folder, _console(planned, quiet), resume, extend, planned.graft)
    return Run(folder, parts)


def study(
    plan: AnyPlan,
    baselines: Sequence[str] = (),
    seeds: Sequence[int] = (),
    lrs: Sequence[float] = (),
    out: str | Path | None = None,
    *,
    against: Sequence[str] = (),
    reference: str | None = None,
    folds: int | None = None,
    cases: Sequence[int | str] = (),
    margin: float | None = None,
    adapt: str | None = None,
    source: FrameSource | None = None,
    parts: Mapping[str, Given] | None = None,
    quiet: bool = False,
    resume: bool = False,
) -> Comparison:
    """Compare the plan's federation with baselines and rivals (docs/studies.md); what is empty is as the plan says.

    Args:
        baselines: of ``local``, ``pooled``, ``leave_one_site_out`` and ``simpler``.
        against: rivals on the same cases: of each the words that it replaces, ``["strategy=fedprox rounds=30"]``;
            ``reference`` names one with which all are compared instead of the plan itself.
        seeds: everything is run with each.
        lrs: learning rates to try; each method uses the one that is best on validation cases.
        folds: deal each site's cases into so many folds, and score each case once, by models that did not see it.
        cases: numbers of training cases per class and site, or ``"all"``: `Comparison.curve`.
        margin: the gain that is not worth a federation, nor another recipe (0.02).
        adapt: a member of the group ``adapt``, for the sites that ``leave_one_site_out`` leaves out.
        out, source, parts, quiet: as for `simulate`. ``resume``: go on with the study that was cut off in ``out``.

    Raises:
        CheckpointError: there is nothing to resume.
        PlanError: nothing is asked for, or ``adapt``, a baseline or a rival (`with_rivals`) is not possible.
        FedGraftError: the federation failed.
    """
    given = {"baselines": baselines, "seeds": seeds, "lrs": lrs, "folds": folds, "cases": cases, "margin": margin}
    given |= {"against": [against] if isinstance(against, str) else against, "reference": reference}
    planned = _with_study(_planned(plan, source), given, adapt, parts)
    lending, folder = with_parts(planned.plan, parts or {}), _folder(out)
    _begin(folder, out, resume)
    with notebook.lent(lending.parts), _left_as_found(), private_files():
        run_study(lending.plan, planned.study, folder, _console(planned, quiet), resume)
    return Comparison(folder)


def _planned(plan: AnyPlan, source: FrameSource | None) -> Planned:
    if isinstance(plan, str | Path):
        plan = planned_file(Path(plan))
    if not isinstance(plan, Plan | Planned):
        raise PlanError(f"{plan!r} is no plan: give what fedgraft.plan(...) returns, or the path of a plan.yaml")
    planned = Planned(plan) if isinstance(plan, Plan) else plan
    return planned if source is None else with_source(planned, source)


def _beginning(
    planned: Planned, named: str | Path | None, out: str | Path | None, resume: bool, extend: int
) -> Planned:
    """The plan with the graft from which its run begins; one that goes on has it in its folder."""
    if extend and not resume:
        raise CheckpointError(
            f"extend={extend} adds rounds to a run that is complete: give resume=True, and its folder as out"
        )
    if resume and named is not None:
        raise CheckpointError(f"start_from={named} has no effect with resume, which goes on with a run that has begun")
    if resume:
        return planned
    found = beginning(planned, named)
    if found.graft is not None and out is not None:
        require_elsewhere(found.graft.place, Path(out))
    return found


def _study(planned: Planned, given: Mapping[str, object], adapt: str | None) -> Study:
    """The study of these arguments; one that is empty is as the plan says."""
    wanted = {name: _either(given.get(name), getattr(planned.study, name)) for name in OPTIONS}
    asked, _, problems = split_off({**planned.plan.to_dict(), **wanted})
    asked = replace(asked, adapt=planned.study.adapt if adapt is None else _adapt(adapt, planned.words))
    if asked.adapt.target is not None and "leave_one_site_out" not in asked.baselines:
        problems.append("adapt has no effect on a study without baselines=leave_one_site_out; add it, or adapt=none")
    problems += contradictions(asked, vars(planned.plan))
    if not problems and not asked.is_asked:
        problems.append(
            "a study needs baselines, against, seeds, lrs, folds or cases; simulate(plan) runs the federation alone"
        )
    if problems:
        raise PlanError(problems)
    return asked


def _with_study(
    planned: Planned, given: Mapping[str, object], adapt: str | None, parts: Mapping[str, Given] | None
) -> Planned:
    """The plan with the study of these arguments, its rivals composed unless they are already."""
    asked, known = _study(planned, given, adapt), planned.study
    if known.rivals and not parts and asked == replace(known, rivals=(), recipe=asked.recipe):
        return planned
    return with_rivals(replace(planned, study=asked), parts)


def _either(given: object, planned: object) -> object:
    """What was given, unless that is ``None`` or empty; as YAML would have it."""
    found = planned if given is None or given == () or given == [] else given
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else found


def _adapt(member: str, words: Words | None) -> AdaptSection:
    """The section of a member of the group ``adapt``; the user's own ``config_dir`` may add members."""
    asked = (f"adapt={member}", "baselines=[leave_one_site_out]")
    return composed(Words(asked, config_dir=None if words is None else words.config_dir)).study.adapt


def _begin(folder: Path, named: str | Path | None, resume: bool) -> None:
    """Make a study's folder without the results of an earlier one, or check that there is one to go on with."""
    if resume:
        require_begun(folder, named)
    else:
        remove_earlier_results(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _folder(out: str | Path | None) -> Path:
    """``out``, or the path of a new folder named after the time."""
    if out is not None:
        return Path(out)
    base = Path("runs") / datetime.now().strftime("%Y-%m-%d/%H-%M-%S")
    return next(path for number in range(1000) if not (path := _numbered(base, number)).exists())


def _numbered(base: Path, number: int) -> Path:
    return base if number == 0 else base.with_name(f"{base.name}-{number + 1}")


def _console(planned: Planned, quiet: bool) -> Console:
    console = wide_console(quiet)
    for sentence in planned.found:
        console.print(sentence, markup=False, highlight=False)
    return console


@contextmanager
def _left_as_found() -> Iterator[None]:
    """Afterwards, restore torch's number of threads and the level of Flower's log, which a simulation sets."""
    threads, flower = torch.get_num_threads(), logging.getLogger("flwr")
    level = flower.level
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        flower.setLevel(level)

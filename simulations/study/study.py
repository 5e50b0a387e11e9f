"""Run a study: a plan's federation and its baselines, over seeds, each at its best learning rate.

Learning rates are chosen by validation cases, never by test cases, and for each seed separately: with another seed,
this seed's test cases may be validation cases. Each site that trains alone has its own rate.

With ``folds``, everything is trained once for each fold, and figures are out of fold
(`fedgraft.simulations.study.out_of_fold`); rates are chosen in each fold anew. With ``cases``, everything is done for
each number of training cases: ``study.json`` has the largest of them, and ``curve.json``
(`fedgraft.simulations.study.learning_curve.curve`) all.

``study.json`` (a figure that is undefined is null; lists by seed are in the order of ``seeds``):

- ``headline``, ``heading``: the figure that is compared; ``seeds``, ``sites``, ``methods``
- ``folds``: their number; null if figures are of one split's test cases. ``cases``: training cases per class and site,
  or ``all``; null in a study without ``cases``. ``notes``: sentences on the data set
- ``by_site.<site>.<method>``, ``mean_over_sites.<method>``: ``mean``, ``sd``, ``values`` (by seed); ``absent``: why a
  site has none with any seed: ``undefined``, ``not told`` (no test cases, or withheld), ``failed``, ``only tests``
- ``few``: by seed, the sites with fewer than 5 positive or negative test cases, which count in no mean
- ``counted``: by seed, the other sites with a figure under every method that has any; only these are in means over
  sites, their differences and the worst site
- ``all_cases.<method>``: with folds, the figure of all sites' cases together: ``mean``, ``sd``, ``values``, ``cases``;
  ``within_sites.<method>``: the AUROC over pairs of cases of the same site
- ``worst_site.<method>``: ``mean``, ``sd`` and ``values`` of the worst site, and its name as ``site``
- ``difference.<baseline>.mean_over_sites``, ``difference.<baseline>.by_site.<site>``: federated minus baseline, with
  ``mean``, ``low``, ``high``, ``values``, ``cases_deviation`` (of the mean, by the choice of test cases; null if that
  is unknown, and then not in the interval), ``p`` (of no difference), ``same`` (the same in all resamples: no interval)
- ``rivals``: with rivals, the recipes beside each other (`fedgraft.simulations.study.rivals.beside`)
- ``verdict``, ``verdict_by_site``: in words, if ``local`` is among the baselines; ``judged``: ``outcome`` (``helped``,
  ``no_gain``: no gain larger than ``margin``, or ``cannot_tell``), ``margin``, ``cases`` (test cases of a seed that
  count), ``cases_needed`` and ``seeds_needed`` (about how many would tell), ``by_site.<site>`` (outcomes), ``paired``
  (whether the scores of the same cases were compared)
- ``warnings``: sentences: the site tells the label, or a column does
- ``chosen_lr.<run>``: by seed (with folds, by seed and fold); ``without_lr``: runs that have none (``strategy=exact``),
  of which it is the plan's
- ``chosen_without_val``: runs without a validation figure, which have the federation's rate, or the
  nearest to it at which training ended
- ``last_without_val``: runs that have the last round's model despite ``select=best`` (or ``initial.interpolate``),
  since they have no validation figure
- ``cost.<method>``: ``runs``, ``seconds`` (of all rounds, without decoding), ``bytes_up`` and ``bytes_down`` (per site
  and round)
- ``budget``: sentences, if the federation shows its training cases more or less often than a site alone
- ``without_columns.<run>``: columns of the table that have no value at the training sites; ``without_options.<run>``:
  options that have no effect with their cases (``loss.weights``, ``loss.prior``, ``loss.absent``, ``sampling``)
- ``dropped``: sites that were excluded from a round or an evaluation of a chosen run, and why
- ``failed``: runs without a result, and why
- ``figures.<method>``: for each seed, all figures by site
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fedgraft.common import tasks
from fedgraft.common.errors import FedGraftError, RoundError
from fedgraft.common.model_folder.folder import FOLDER, remove_model
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.site_distances import distance_sentences
from fedgraft.server.reports.documents import write_documents
from fedgraft.simulations.engine.display import Runs
from fedgraft.simulations.engine.run import Series
from fedgraft.simulations.federation.copies import copy_sentences
from fedgraft.simulations.federation.giveaways import giveaway_sentences
from fedgraft.simulations.federation.remarks import remark_sentences
from fedgraft.simulations.federation.sites import partition_cases
from fedgraft.simulations.planning.options import Size, Study, require_cases
from fedgraft.simulations.study.baselines import FEDERATED, LOCAL, POOLED, Arrangement, arrangements, require_suited
from fedgraft.simulations.study.budget import budget_sentences, budgets_beside
from fedgraft.simulations.study.certainty.compared import judging
from fedgraft.simulations.study.draws import Drawn, drawn, draws
from fedgraft.simulations.study.folds import require_dealable
from fedgraft.simulations.study.foreseen import require_effects
from fedgraft.simulations.study.learning_curve.curve import curve, print_curve, read_curve, write_curve
from fedgraft.simulations.study.plot import draw_study
from fedgraft.simulations.study.report import markdown, print_study
from fedgraft.simulations.study.rivals.recipes import recipes_of
from fedgraft.simulations.study.rivals.table import RIVALS, write_rivals
from fedgraft.simulations.study.summary import Trained, summarise
from fedgraft.simulations.study.training import Bench, run_folder, train_one


@dataclass(frozen=True)
class Ended:
    """A draw whose trainings have ended."""

    drawn: Drawn
    trained: tuple[Trained, ...]


def run_study(plan: Plan, study: Study, out: Path, console: Console, resume: bool = False) -> dict[str, Any]:
    """Run a study; writes ``study.json``, ``study.md``, ``study.png``, ``report.html`` and ``runs/`` into ``out``, with
    ``cases`` ``curve.json``, ``curve.md`` and ``curve.png`` too.

    A run's folder is that of ``fedgraft simulate`` without ``rounds.png`` and tensors; the only models that are kept
    are the federation's and its rivals' at the chosen rates, and with folds none. With rivals: ``rivals.csv``.

    Args:
        resume: leave out the trainings that have ended in this folder, and go on with the one that was cut off.

    Returns:
        the content of ``study.json``.

    Raises:
        PlanError: a baseline is not possible with this plan, or there are no test or validation cases; or
            weights or sampling would have no effect on the labels.
        FedGraftError: the federation failed; the results of earlier seeds are written. A baseline that fails is no
            error, but reported with the reason.
    """
    require_suited(plan, study, os.environ)
    for seed in () if resume else study.seeds or (plan.seed,):
        given = _given(replace(plan, seed=seed), study)
        require_effects((arrangement for _, some in given for arrangement in some), os.environ)
    ended: list[Ended] = []
    with Runs(console) as runs:
        bench = Bench(out, Series(bars=runs.bars), console, runs, resume)
        for seed in study.seeds or (plan.seed,):
            try:
                ended += _of_seed(replace(plan, seed=seed), study, bench)
            except FedGraftError as error:
                if not ended:
                    raise
                before = ", ".join(map(str, _write(plan, study, ended, out)["seeds"]))
                raise FedGraftError(
                    f"{error}\n{out}/study.md and study.json hold the seeds before: {before}"
                ) from error
    found = _write(plan, study, ended, out)
    print_study(found, console)
    console.print(f"see {out}/report.html, study.md, study.png{', rivals.csv' * bool(study.rivals)} and study.json")
    if study.cases:
        print_curve(read_curve(out), console)
        console.print(f"see {out}/curve.md and {out}/curve.png")
    return found


def _write(plan: Plan, study: Study, ended: Sequence[Ended], out: Path) -> dict[str, Any]:
    """Write all results; returns the content of ``study.json``."""
    compared = {LOCAL, POOLED} & set(study.baselines)
    sizes = study.sizes or (None,)
    said = {
        "notes": list(ended[0].drawn.partitioned.notes),
        "budget": [*(budget_sentences(plan) if compared else []), *budgets_beside(plan, study)],
    }
    first = ended[0].drawn
    told = (
        *copy_sentences(first.partitioned.sites),
        *giveaway_sentences(first.plan, first.partitioned.sites),
        *remark_sentences(_first_sites(out)),
        *_apart(plan, out),
    )
    points = [{**_summary(plan, study, ended, size), **said} for size in sizes]
    points = [{**point, "warnings": [*point["warnings"], *told]} for point in points]
    found = points[-1]
    (out / "study.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / "study.md").write_text(markdown(found, plan), encoding="utf-8")
    if "rivals" in found:
        write_rivals(out / RIVALS, found)
    draw_study(out / "study.png", found)
    write_documents(out)
    if study.cases:
        taken = {size: [one.drawn.taken for one in ended if one.drawn.draw.size == size] for size in study.sizes}
        write_curve(out, curve(points, taken), plan)
    return found


def _first_sites(out: Path) -> dict[str, Path]:
    """The site files of the first federation, by site."""
    runs = sorted(out.glob(f"runs/**/{FEDERATED}/*/sites"))
    return {file.parent.name: file for file in sorted(runs[0].glob("*/site.yaml"))} if runs else {}


def _apart(plan: Plan, out: Path) -> tuple[str, ...]:
    """How far sites lie apart, as the first federation found it (``site_distances``)."""
    files = sorted(out.glob(f"runs/**/{FEDERATED}/*/summary.json")) if plan.site_distances else []
    return tuple(distance_sentences(plan, json.loads(files[0].read_text()).get("site_distances"))) if files else ()


def _summary(plan: Plan, study: Study, ended: Sequence[Ended], size: Size | None) -> dict[str, Any]:
    trained = [trained for one in ended if one.drawn.draw.size == size for trained in one.trained]
    how = judging(plan, study.margin, study.folds)
    return {**summarise(trained, tasks.of(plan.data), how, recipes_of(plan, study)), "cases": size}


def _of_seed(plan: Plan, study: Study, bench: Bench) -> list[Ended]:
    """All draws of one seed, and of each all arrangements, each at its best rate; the federation is the first."""
    given = _given(plan, study)
    count = sum(len(_rates(arrangement, study)) for _, some in given for arrangement in some)
    bench.runs.expect(count * (len(study.seeds) or 1))
    found = []
    for one, some in given:
        trained: list[Trained] = []
        for arrangement in some:
            rates, fallback = _rates(arrangement, study), trained[0].lr if trained else None
            trained.append(_at_its_best(arrangement, rates, fallback, bench))
        found.append(Ended(one, tuple(trained)))
    return found


def _given(plan: Plan, study: Study) -> list[tuple[Drawn, list[Arrangement]]]:
    """All draws of one seed, and of each all arrangements."""
    partitioned = partition_cases(plan, os.environ)
    require_cases(plan, study, partitioned)
    if study.folds is not None:
        require_dealable(plan, partitioned, study.folds)
    planned = [drawn(plan, study, partitioned, draw, os.environ) for draw in draws(study)]
    return [(one, _arranged(one, study)) for one in planned]


def _arranged(one: Drawn, study: Study) -> list[Arrangement]:
    found = arrangements(one.plan, study, one.partitioned, os.environ)
    return [replace(arrangement, draw=one.draw) for arrangement in found]


def _rates(arrangement: Arrangement, study: Study) -> tuple[float, ...]:
    """The learning rates at which an arrangement is trained: one that has none is trained once."""
    own = (arrangement.plan.train.lr,)
    return own if is_exact(arrangement.plan.strategy) else study.lrs or own


def _at_its_best(arrangement: Arrangement, lrs: Sequence[float], fallback: float | None, bench: Bench) -> Trained:
    """Train an arrangement at every rate, and return the best run; models of the others are deleted.

    Raises:
        FedGraftError: the federation failed at its best rate.
    """
    tried = [train_one(arrangement, lr, bench) for lr in lrs]
    best = choose(tried, fallback)
    if best.failed is not None and best.method == FEDERATED:
        raise FedGraftError(f"seed {best.seed}{arrangement.draw.words}, {best.name}, lr {best.lr:g}: {best.failed}")
    for one in tried:
        if one.lr != best.lr or not arrangement.is_recipe or one.fold is not None:
            remove_model(run_folder(arrangement, one.lr, bench) / FOLDER)
    exact = is_exact(arrangement.plan.strategy)
    return replace(best, runs=len(tried), seconds=sum(one.seconds for one in tried), without_lr=exact)


def choose(tried: Sequence[Trained], fallback: float | None) -> Trained:
    """The run with the best validation figure; of equal ones the first.

    A rate at which training failed, or diverged at a site, is chosen only if that happened at all rates. If no run has
    a figure, the one whose rate is nearest to ``fallback``, by ratio; without a fallback, the only one.

    Raises:
        RoundError: several runs have no figure, and there is no fallback.
    """
    ended = [one for one in tried if one.failed is None]
    sound = [one for one in ended if not one.diverged] or ended
    known = [one for one in sound if one.val is not None]
    if known:
        return max(known, key=lambda one: one.val or 0.0)
    if len(tried) == 1 or not sound:
        return tried[0]
    if fallback is None and len(sound) == 1:
        return sound[0]
    if fallback is None:
        raise RoundError(
            "lrs: the federation has no defined figure on validation cases to choose by (they are of one class, or a "
            "site withholds those of fewer than its min_count); raise data.val_fraction, or leave lrs out"
        )
    nearest = min(sound, key=lambda one: abs(math.log(one.lr / fallback)))
    return replace(nearest, chosen_without_val=True)

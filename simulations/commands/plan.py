"""``fedgraft plan``: print what a run would do and send, without training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.progress import Progress

from fedgraft.common.heads.linear_shape import width_of
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps
from fedgraft.simulations.commands.hydra_main import QUIET, run_hydra
from fedgraft.simulations.federation.sites import partition_cases
from fedgraft.simulations.planning.planned import Planned
from fedgraft.simulations.study.baselines import require_suited

TRIAL = "--trial"
"""Try what ``privacy=record`` costs."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; takes the overrides of ``fedgraft simulate``, and `TRIAL`."""
    words = [word for word in arguments if word != TRIAL]
    return run_hydra(words, partial(_job, tries=len(words) < len(arguments)), QUIET)


def _job(planned: Planned, tries: bool) -> None:
    console = Console()
    planned.describe().print(console)
    if planned.plan.privacy.by_patient and planned.plan.rounds and not by_steps(planned.plan) and not tries:
        console.print(
            f"fedgraft plan ... {TRIAL} says what this will cost in AUROC, on phantom features", highlight=False
        )
    if tries:
        console.print(_tried(planned.plan, console), highlight=False, markup=False)
    for sentence in planned.found:
        console.print(sentence, markup=False, highlight=False)
    if planned.study.is_asked:
        require_suited(planned.plan, planned.study, os.environ)
        console.print(f"study: {planned.study.sentence(planned.plan)}", highlight=False)


def _tried(plan: Plan, console: Console) -> str:
    """What the plan's noise costs at as many hospitals and training cases as its simulation has.

    Raises:
        PlanError: it promises nothing, or names no data set.
        DataError: the data set is not here.
    """
    from fedgraft.simulations.audit.trial import DRAWS, trial  # imports what trains: a third of a second

    sites = {name: some for name, some in partition_cases(plan, os.environ).sites.items() if name not in plan.hold_out}
    share = 1 - plan.data.val_fraction - plan.data.test_fraction * (plan.data.test == "sites")
    cases = round(share * sum(map(len, sites.values())))
    model = build(plan, None, plan.engine.trusted)
    width = width_of(model.network.head, model.head_width)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("trial on phantom features", total=DRAWS)
        found = trial(plan, cases, len(sites), width, lambda done: bar.update(task, completed=done))
    return found.sentence

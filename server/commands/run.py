"""``fedgraft coordinator run``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.model_folder.graft import begun_from
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import launch
from fedgraft.server.deployment.folder import LEFT_OUT, Folder, names_in
from fedgraft.server.deployment.following import follow_in_its_place
from fedgraft.server.deployment.open_runs import PLAN
from fedgraft.server.preflight.checking import check
from fedgraft.server.watching.hospitals import site_table

DESCRIPTION = """\
Submits a plan, shows its progress, and returns its outcome.
Exit code 0: the run completed; 1: it failed or was stopped; 2: not submitted; 130: Ctrl-C, the run was asked to stop.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", type=Path, metavar="FILE", help="plan.yaml or plan.json")
    what.add_argument("--resume", type=Path, metavar="RUNDIR", help="go on with a run that did not complete")
    parser.add_argument("--extend", type=int, default=0, metavar="N", help="with --resume: N rounds more")
    parser.add_argument("--start-from", type=Path, metavar="RUNDIR", help="begin from the graft of a finished run")
    parser.add_argument("--out", type=Path, metavar="RUNDIR", help="results (default: DIR/runs/<time>-<digest>)")
    parser.add_argument("--dry-run", action="store_true", help="only check the plan and say where it would run")
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="leave out sites that the plan does not fit; wait for more than are registered",
    )
    parser.add_argument("--detach", action="store_true", help="return once it is submitted; `watch` shows its progress")


def run(given: argparse.Namespace) -> int:
    """Submit the plan, or go on with a run, and follow it."""
    folder = Folder(given.folder.resolve())
    if given.detach and given.dry_run:
        raise DeploymentError("--dry-run submits nothing to return from; leave out --detach")
    if given.resume is not None:
        return _resume(folder, given)
    if given.extend:
        raise DeploymentError("--extend belongs to --resume RUNDIR; a plan says its own rounds")
    plan, graft = begun_from(_plan_for_hospitals(given.plan), given.start_from, given.plan.parent)
    launch.require_deployable(plan)
    checked = check(folder, plan, given.anyway)
    if given.dry_run:
        say(f"plan {plan.digest} is valid; {checked.where}\n{site_table(folder)}")
        return 0
    launched = launch.launch(folder, plan, given.out, checked.left_out, graft)
    if graft is not None:
        say(f"it begins from the graft of {graft.run}, {graft.digest[:16]}")
    say(f"run {launched.run_id}: plan {plan.digest[:16]}, results in {launched.out}")
    return 0 if given.detach else follow_in_its_place(folder, launched)


def _resume(folder: Folder, given: argparse.Namespace) -> int:
    if given.extend < 0:
        raise DeploymentError(f"--extend {given.extend}: give a number of rounds, 1 or more")
    if given.out is not None or given.dry_run or given.start_from is not None:
        raise DeploymentError(
            "--resume goes on with the plan in its own folder; leave out --out, --dry-run and --start-from"
        )
    out = given.resume.resolve()
    launch.require_resumable(folder, out, given.extend)
    checked = check(folder, load_plan(out / PLAN), given.anyway, names_in(out / LEFT_OUT))
    launched = launch.relaunch(folder, out, given.extend, checked.left_out)
    say(f"run {launched.run_id}: goes on, results in {launched.out}")
    return 0 if given.detach else follow_in_its_place(folder, launched)


def _plan_for_hospitals(file: Path) -> Plan:
    """The plan of a file, without what only a simulation reads; says so if there was any."""
    simulated = load_plan(file)
    plan = replace(simulated.for_hospitals(), tracking=simulated.tracking)
    if plan != simulated:
        named = [str(part.target) for part in (simulated.data, simulated.partition) if part.target is not None]
        say(
            f"{file} is a simulation's: its data set and partition ({', '.join(named)}) are left out; each hospital's "
            "own site.yaml names its cases"
        )
    return plan

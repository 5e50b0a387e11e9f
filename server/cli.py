"""``fedgraft coordinator ...``: what the person who coordinates a federation types."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.model_folder.graft import begun_from
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.systemd import Service, unit_of
from fedgraft.server.audit import command as audit_command
from fedgraft.server.commands import models as model_commands
from fedgraft.server.console import command as console_command
from fedgraft.server.deployment import invite_command, launch, sites, start_command
from fedgraft.server.deployment.folder import LEFT_OUT, Folder, Settings, create, names_in, renew
from fedgraft.server.deployment.following import follow_in_its_place, halt
from fedgraft.server.deployment.open_runs import PLAN
from fedgraft.server.deployment.pki import validity
from fedgraft.server.preflight.checking import check
from fedgraft.server.watching import command as watch_command
from fedgraft.server.watching import status_command

EPILOG = """\
a first federation:
  fedgraft coordinator init /srv/fedgraft --host fl.example.org
  fedgraft coordinator start /srv/fedgraft              (a service; docs/deployment.md has a systemd unit)
  fedgraft coordinator invite /srv/fedgraft north south east
  fedgraft coordinator sites /srv/fedgraft
  fedgraft coordinator run /srv/fedgraft --plan plan.yaml
  fedgraft coordinator watch /srv/fedgraft              (from any other terminal)
  fedgraft coordinator publish /srv/fedgraft RUN

`invite` prints a line for each site, which is all that it needs. Or carry files: give a site ca.crt and this machine's
address, it gives you the .pub half of its key, and `register` admits it.
Only the Fleet API and published models (and what sites say of these) are reachable from outside, by registered sites,
besides the authority's certificate and the door for those who were invited.
Accounts on this machine can reach everything.
"""
FORMAT = argparse.RawDescriptionHelpFormatter


def main(argv: Sequence[str] | None = None) -> int:
    """Run one coordinator command; returns the exit code."""
    given = _parser().parse_args(argv)
    code: int = given.command(given)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fedgraft coordinator",
        description="Coordinate a federation: one folder, one public port, one command for each step.",
        epilog=EPILOG,
        formatter_class=FORMAT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_set_up(commands)
    _add_sites(commands)
    _add_runs(commands)
    model_commands.add_commands(commands)
    return parser


def _add_set_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = commands.add_parser("init", help="make the folder: certificate authority, certificate, settings")
    init.add_argument("folder", type=Path, metavar="DIR")
    init.add_argument(
        "--host",
        action="append",
        required=True,
        metavar="NAME_OR_IP",
        help="how sites reach this machine; repeat it for several names",
    )
    init.add_argument("--port", type=int, default=8443, help="the public port (default: %(default)s)")
    init.add_argument("--listen", default="0.0.0.0", metavar="IP", help="bind this address (default: all)")
    init.add_argument("--internal-port", type=int, help="Flower's port on loopback (default: port + 1)")
    init.add_argument("--start", action="store_true", help="start it at once, in the foreground")
    init.set_defaults(command=_init)
    renewal = commands.add_parser("renew", help="issue a new server certificate; sites need not do anything")
    renewal.add_argument("folder", type=Path, metavar="DIR")
    renewal.set_defaults(command=_renew)
    start = commands.add_parser("start", help=start_command.HELP)
    start_command.add_options(start)
    start.set_defaults(command=start_command.run)
    service = commands.add_parser("service", help="print a hardened systemd unit for `start`")
    service.add_argument("folder", type=Path, metavar="DIR")
    service.add_argument("--user", metavar="NAME", help="the account that it runs as (default: yours)")
    service.set_defaults(command=_service)


def _add_sites(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    register = commands.add_parser("register", help="admit a site by the public half of its key")
    register.add_argument("folder", type=Path, metavar="DIR")
    register.add_argument("key", type=Path, metavar="SITE.pub")
    register.add_argument("--name", required=True, help="the name in the site's own site.yaml")
    register.add_argument(
        "--cases",
        type=int,
        metavar="N",
        help="its training cases, as confirmed with the hospital: it counts for no more",
    )
    register.set_defaults(command=_register)
    invite_command.add_commands(commands)
    unregister = commands.add_parser("unregister", help="shut a site out")
    unregister.add_argument("folder", type=Path, metavar="DIR")
    unregister.add_argument("name", metavar="NAME")
    unregister.set_defaults(command=_unregister)
    status_command.add_sites(commands)


def _add_runs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="submit a plan, show its progress, return its outcome",
        description="Exit code 0: the run completed; 1: it failed or was stopped; 2: not submitted; "
        "130: Ctrl-C, the run was asked to stop.",
    )
    run.add_argument("folder", type=Path, metavar="DIR")
    what = run.add_mutually_exclusive_group(required=True)
    what.add_argument("--plan", type=Path, metavar="FILE", help="plan.yaml or plan.json")
    what.add_argument("--resume", type=Path, metavar="RUNDIR", help="go on with a run that did not complete")
    run.add_argument("--extend", type=int, default=0, metavar="N", help="with --resume: N rounds more")
    run.add_argument("--start-from", type=Path, metavar="RUNDIR", help="begin from the graft of a finished run")
    run.add_argument("--out", type=Path, metavar="RUNDIR", help="results (default: DIR/runs/<time>-<digest>)")
    run.add_argument("--dry-run", action="store_true", help="only check the plan and say where it would run")
    run.add_argument("--detach", action="store_true", help="return once it is submitted; `watch` shows its progress")
    run.add_argument("--anyway", action="store_true", help="leave out sites that the plan does not fit")
    run.set_defaults(command=_run)
    auditing = commands.add_parser("audit", help=audit_command.HELP, description=audit_command.DESCRIPTION)
    audit_command.add_options(auditing)
    auditing.set_defaults(command=audit_command.run)
    watching = commands.add_parser("watch", help=watch_command.HELP, description=watch_command.DESCRIPTION)
    watch_command.add_options(watching)
    watching.set_defaults(command=watch_command.run)
    status_command.add_status(commands)
    console = commands.add_parser("console", help=console_command.HELP)
    console_command.add_options(console)
    console.set_defaults(command=console_command.run)
    stop = commands.add_parser("stop", help="stop a run (not the coordinator: end `start` for that)")
    stop.add_argument("folder", type=Path, metavar="DIR")
    stop.add_argument("run_id", metavar="RUN_ID")
    stop.set_defaults(command=_stop)


def _init(given: argparse.Namespace) -> int:
    internal = given.port + 1 if given.internal_port is None else given.internal_port
    for option, port in (("--port", given.port), ("--internal-port", internal)):
        if not 1 <= port <= 65535:
            raise DeploymentError(f"{option} {port} is no port; give a number from 1 to 65535")
    folder = create(given.folder, Settings(tuple(given.host), given.port, given.listen, internal))
    say(f"made {folder.root}: give each site {folder.authority} and the address {given.host[0]}:{given.port}")
    say(f"keep {folder.authority_key} secret; whoever has it can pretend to be this coordinator")
    if given.start:
        return start_command.run(given)
    say(f"next: fedgraft coordinator start {given.folder}")
    return 0


def _renew(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    renew(folder, folder.settings())
    say(f"{validity(folder.certificate).sentence}; a coordinator that runs takes it within seconds, and loses no site")
    say("inside this machine the one before is used until the coordinator is started again: do so before that one ends")
    return 0


def _service(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    folder.settings()
    command = module("fedgraft.common.cli", "coordinator", "start", str(folder.root))
    print(
        unit_of(
            Service("fedgraft-coordinator", "FedGraft coordinator", command, folder.root, [folder.root], given.user)
        )
    )
    return 0


def _register(given: argparse.Namespace) -> int:
    site = sites.register(Folder(given.folder.resolve()), given.key, given.name, given.cases)
    say(f"registered {site.name} with key {site.fingerprint} as node {site.node_id}")
    return 0


def _unregister(given: argparse.Namespace) -> int:
    site = sites.unregister(Folder(given.folder.resolve()), given.name)
    say(f"{site.name} (key {site.fingerprint}) is no longer admitted")
    return 0


def _run(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    if given.detach and given.dry_run:
        raise DeploymentError("--dry-run submits nothing to return from; leave out --detach")
    if given.resume is not None:
        return _resume(folder, given)
    if given.extend:
        raise DeploymentError("--extend belongs to --resume RUNDIR; a plan says its own rounds")
    plan, graft = begun_from(_plan_for_hospitals(given.plan), given.start_from, given.plan.parent)
    launch.require_deployable(plan)
    left_out = check(folder, plan, given.anyway)
    if given.dry_run:
        say(f"plan {plan.digest} is valid; it would run on:\n{status_command.site_table(folder)}")
        return 0
    launched = launch.launch(folder, plan, given.out, left_out, graft)
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
    left_out = check(folder, load_plan(out / PLAN), given.anyway, names_in(out / LEFT_OUT))
    launched = launch.relaunch(folder, out, given.extend, left_out)
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


def _stop(given: argparse.Namespace) -> int:
    say(halt(Folder(given.folder.resolve()), given.run_id, "by `fedgraft coordinator stop`"))
    return 0

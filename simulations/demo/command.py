"""The command ``fedgraft demo``."""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.flower import quiet_environment
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import launch
from fedgraft.server.deployment.following import following
from fedgraft.server.preflight.checking import check
from fedgraft.simulations.demo.federation import Demo, running
from fedgraft.simulations.planning.planned import Words
from fedgraft.simulations.planning.words import composed

DESCRIPTION = """\
Starts a coordinator and three hospitals as processes of this machine, which talk over TLS as they would between houses,
draws films for each hospital's own scanner, trains a model together, and ends. Nothing leaves this machine. While it
runs, open the consoles: it prints their links. Afterwards look at the report that it names, at what each hospital let
out (sites/NAME/state/released.jsonl), and at who did what (runs/.../ledger.jsonl). Exit code: that of the run.
"""
EPILOG = """\
examples:
  fedgraft demo
  fedgraft demo --sites 5 --rounds 10
  fedgraft demo --stay          keeps all running until Ctrl-C: try `fedgraft coordinator sites` and `site report`
  fedgraft demo features=taps head=plain strategy=exact         options of a plan, as for `fedgraft simulate`
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the run's exit code."""
    parser = argparse.ArgumentParser(
        prog="fedgraft demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("fedgraft-demo"), help="for all files (default: %(default)s)"
    )
    parser.add_argument("--sites", type=int, default=3, help="hospitals (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=60, help="films of each (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--stay", action="store_true", help="go on running after the run, until Ctrl-C")
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help="of the plan")
    given = parser.parse_intermixed_args(argv)
    began, root = time.monotonic(), given.folder.resolve()
    plan = _plan(given)
    try:
        with running(plan, root, lambda sentence: say(f"{time.monotonic() - began:5.1f} s  {sentence}")) as demo:
            code = _run(demo, plan.for_hospitals(), root)
            _tell(demo, given.folder)
            while given.stay:
                time.sleep(1.0)
    except KeyboardInterrupt:
        say("ended by Ctrl-C; all processes are stopped")
        return 130
    return code


def _plan(given: argparse.Namespace) -> Plan:
    """
    Raises:
        PlanError: an option is wrong, or is one that the demo sets itself.
    """
    own = {"rounds": given.rounds, "data.sites": given.sites, "data.cases": given.cases}
    if twice := [word for word in given.options if word.partition("=")[0] in (*own, "data")]:
        raise PlanError(f"{', '.join(twice)}: the demo sets this itself; use --sites, --cases, --rounds")
    words = ["data=phantom", *(f"{name}={value}" for name, value in own.items()), *given.options]
    return composed(Words(tuple(words))).plan


def _run(demo: Demo, plan: Plan, root: Path) -> int:
    """Submit the plan and follow it, as ``coordinator run`` does, without its start; returns the exit code."""
    demo.folder.runs.mkdir()
    (demo.folder.runs / "run").symlink_to(root / "run")  # the console shows what is there
    (root / "plan.json").write_text(plan.to_json(), encoding="utf-8")
    launched = launch.launch(demo.folder, plan, root / "run", check(demo.folder, plan, anyway=False).left_out)
    say(f"run {launched.run_id}: plan {plan.digest[:16]}, results in {launched.out}")
    return subprocess.call(following(demo.folder, launched), env=quiet_environment(os.environ))


def _tell(demo: Demo, root: Path) -> None:
    first = next(iter(demo.sites))
    say(f"the report: {root / 'run' / 'report.html'}; who contributed what: {root / 'run' / 'ledger.jsonl'}")
    say(f"what {first} let out: {root / 'sites' / first / 'state' / 'released.jsonl'}")
    say(f"its own page: fedgraft site report --site {root / 'sites' / first / 'site.yaml'}")

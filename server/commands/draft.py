"""``fedgraft coordinator draft``."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import replacing
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder, read_sites
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.preflight.drafting import draft

DESCRIPTION = """\
Writes a first plan for the registered sites from what they tell of their data: the kind of cases, the columns that all
of them have, and, where a site's file has `announce: {classes: true}`, classes with at least min_count cases. What
can't be known is left to fill in, and named. Sites need not be online: what they told last counts.
"""
EPILOG = """\
examples:
  fedgraft coordinator draft /srv/fedgraft --out plan.yaml
  fedgraft coordinator draft /srv/fedgraft --out plan.yaml --sites north south
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("plan.yaml"), help="the new file (default: %(default)s)")
    parser.add_argument("--sites", nargs="+", metavar="NAME", help="for these only (default: all registered ones)")


def run(given: argparse.Namespace) -> int:
    """Write it; returns the exit code."""
    folder = Folder(given.folder.resolve())
    folder.settings()
    if given.out.exists():
        raise DeploymentError(f"--out {given.out} exists and is not overwritten; name another file")
    registered = [site.name for site in read_sites(folder)]
    wanted = registered if given.sites is None else list(given.sites)
    strange = sorted(set(wanted) - set(registered))
    if strange:
        known = ", ".join(registered) or "none"
        raise DeploymentError(f"--sites {', '.join(strange)}: not registered; registered: {known}")
    told = {name: one.facts for name, one in read_announced(folder).items() if name in wanted}
    made = draft(told, sorted(set(wanted) - set(told)))
    with replacing(given.out) as partial:
        partial.write_text(made.text, encoding="utf-8")
    say(f"wrote {given.out}, for {', '.join(sorted(told))}")
    if made.to_fill:
        say(f"to fill in before it can run: {', '.join(made.to_fill)}")
    where, what = quote(str(given.folder)), quote(str(given.out))
    say(f"next: look at it, then fedgraft coordinator run {where} --plan {what} --dry-run")
    return 0

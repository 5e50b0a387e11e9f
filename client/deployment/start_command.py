"""The command ``fedgraft site start``, by itself: what it imports stays in memory as long as the site is connected."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.client.deployment.connection import PATIENCE_SECONDS
from fedgraft.client.deployment.supervisor import run_site

DESCRIPTION = """\
Connects and answers runs, in the foreground; Ctrl-C or SIGTERM stops it.
Exit code: 0: stopped by a signal; 1: gave up, the last line says why; 2: not started.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--site", type=Path, default=Path("site.yaml"), help="(default: %(default)s)")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long to go on trying when the coordinator is away (default: %(default).0f)",
    )


def run(given: argparse.Namespace) -> int:
    """Keep a site connected; returns the exit code."""
    return run_site(given.site, given.patience)

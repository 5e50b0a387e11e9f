"""``fedgraft coordinator publish``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.open_runs import named_run
from fedgraft.server.deployment.publishing import publish

DESCRIPTION = """\
Signs a run's model, and gives it to every registered site that asks.
Sites get it by `fedgraft site fetch NAME`, and verify the signature and every file.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("run", metavar="RUN", help="a run's folder, name or number, or a model's folder")
    parser.add_argument("--name", metavar="NAME", help="by which sites ask for it (default: that of RUN)")
    parser.add_argument(
        "--accept-evaluations", action="store_true", help="let sites send what they find with it (site evaluate --send)"
    )


def run(given: argparse.Namespace) -> int:
    """Publish the model."""
    folder = Folder(given.folder.resolve())
    out = named_run(folder, given.run) or Path(given.run)
    model = publish(folder, out, given.name, given.accept_evaluations)
    say(f"published {model.path.name}: every registered site can fetch it from now on")
    say(f"  fedgraft site fetch {model.path.name} --site site.yaml")
    return 0

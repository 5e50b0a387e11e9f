"""The commands ``fedgraft coordinator publish`` and ``evaluations``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.model_folder.folder import open_model
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.public.evaluations import read_evaluations
from fedgraft.server.deployment.publishing import publish
from fedgraft.server.evidence.external import external_table


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the commands."""
    publishing = commands.add_parser(
        "publish",
        help="sign a run's model, and give it to every registered site that asks",
        description="Sites get it by `fedgraft site fetch NAME`, and verify the signature and every file.",
    )
    publishing.add_argument("folder", type=Path, metavar="DIR")
    publishing.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, or a model's")
    publishing.add_argument("--name", metavar="NAME", help="by which sites ask for it (default: that of RUN)")
    publishing.add_argument(
        "--accept-evaluations", action="store_true", help="let sites send what they find with it (site evaluate --send)"
    )
    publishing.set_defaults(command=_publish)
    found = commands.add_parser(
        "evaluations",
        help="what sites found with a published model on all their cases, by site",
        description="Of models that were published with --accept-evaluations. A site sends what its own file allows.",
    )
    found.add_argument("folder", type=Path, metavar="DIR")
    found.add_argument("name", metavar="NAME", help="the published model")
    found.set_defaults(command=_evaluations)


def _publish(given: argparse.Namespace) -> int:
    model = publish(Folder(given.folder.resolve()), given.run, given.name, given.accept_evaluations)
    say(f"published {model.path.name}: every registered site can fetch it from now on")
    say(f"  fedgraft site fetch {model.path.name} --site site.yaml")
    return 0


def _evaluations(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    task, kept = read_evaluations(folder, given.name)
    for line in external_table(task, kept, open_model(folder.published / given.name).decisions):
        say(line)
    return 0
